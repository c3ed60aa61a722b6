// The page: what it shows is in the address (address.js), the playlist in this browser (playlist.js).
import { addressOf, changes, show, shown } from "./address.js";
import { find, notice } from "./dom.js";
import { startKeys } from "./keys.js";
import { startMap } from "./map_panel.js";
import { restorePlayer } from "./player.js";
import { startPlaylist } from "./playlist_view.js";
import { startTracks } from "./tracks_view.js";

/** Which of the three is in front; each link keeps what is asked for. */
function drawViews() {
  document.body.dataset.view = shown.view;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    link.href = addressOf({ ...shown, view: link.dataset.view });
    if (link.dataset.view === shown.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

find("nav").addEventListener("click", (event) => {
  const link = event.target.closest("[data-view]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show({ view: link.dataset.view });
});
find("#home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show({ words: "", like: [], unlike: [], path: null, why: "" });
});
addEventListener("unhandledrejection", (event) =>
  notice(`Something went wrong: ${event.reason?.message || event.reason}. Reload the page.`),
);

changes.addEventListener("change", drawViews);
drawViews();
restorePlayer();
startKeys();
startMap();
startTracks();
startPlaylist();
