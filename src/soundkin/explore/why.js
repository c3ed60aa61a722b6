// One moment, then the other.
{
  const [first, second] = document.querySelectorAll(".side audio");
  document.getElementById("both")?.addEventListener("click", () => {
    first.currentTime = second.currentTime = 0;
    first.addEventListener("ended", () => play(second), { once: true });
    first.pause();
    play(first);
  });
}
