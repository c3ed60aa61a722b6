// Two sides in a plane.
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const dots = data.places.map(([x, y], track) => ({ x, y, kind: data.kinds[track], name: `${clips[track].name} (${data.sides[data.kinds[track]]})` }));
  scatter(document.getElementById("plane"), document.getElementById("near"), dots, data.colours);
}
