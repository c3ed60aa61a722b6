// One player for all clips of a page. What is asked for together plays one after the other.
const player = document.getElementById("player");
const clips = JSON.parse(document.getElementById("clips").textContent);
let waiting = [];

function playClips(numbers) {
  const asked = numbers.map((number) => clips[number]);
  waiting = asked.filter((clip) => clip.audio);
  const mute = asked.filter((clip) => !clip.audio).map((clip) => `${clip.name}: ${clip.silence}`);
  document.getElementById("now").textContent = [asked.map((clip) => clip.name).join(", then "), ...mute].join(". ");
  playNext();
}

function playNext() {
  if (!waiting.length) return;
  player.src = waiting.shift().audio;
  player.play().catch(() => {});
}

player.addEventListener("ended", playNext);
for (const button of document.querySelectorAll("[data-play]")) button.addEventListener("click", () => playClips(button.dataset.play.split(" ").map(Number)));
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("button, audio, input, summary") || !player.src) return;
  event.preventDefault();
  play(player);
});
