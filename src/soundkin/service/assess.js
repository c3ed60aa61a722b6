"use strict";
// The page that asks people. A question shows when all of its audio is here; the next one's is fetched meanwhile.

const PLACES = ["anchor", "left", "right"];
const NAMES = { anchor: "this one", left: "A", right: "B" };
const READY_MS = 1500; // some browsers never say that audio can play through until somebody has pressed play

const by = (id) => document.getElementById(id);
const memory = (name, value) => {
  try {
    if (value === undefined) return localStorage.getItem(`soundkin.${name}`);
    localStorage.setItem(`soundkin.${name}`, value);
  } catch { /* storage is off: a reload then asks for the name again */ }
  return null;
};

let rules, state, shown; // what the server said last; the question on the page
let introduced = ""; // the part that has been explained
let busy = false, again = null, afterwards = null;
const loading = new Map(); // question_id -> promise of three addresses

// Talking to the server.

class Refused extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

async function call(path, body) {
  const how = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  let response;
  try {
    response = await fetch(path, how);
  } catch {
    throw new Refused("The server cannot be reached. Nothing is lost.", 0);
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(said.error || `The server answered ${response.status}.`, response.status);
  return said;
}

const join = async (name) => {
  state = await call("/api/sessions", { annotator_id: name });
  memory("annotator", state.annotator_id);
  memory("session", state.session_id);
};

async function refresh() {
  try {
    state = await call(`/api/sessions/${encodeURIComponent(state.session_id)}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    await join(state.annotator_id || memory("annotator")); // the server has been started anew
  }
}

// Runs a step; what goes wrong is said, and can be tried again.
async function attempt(step) {
  if (busy) return;
  busy = true;
  by("problem").hidden = true;
  try {
    await step();
  } catch (error) {
    again = step;
    by("problem-text").textContent = error.message;
    by("problem").hidden = by("loading").hidden = true;
    by("problem").hidden = false;
    by("retry").focus();
  } finally {
    busy = false;
  }
}

// Audio.

function load(question) {
  if (!loading.has(question.question_id)) {
    const fetched = Promise.all(PLACES.map((place) => fetchClip(question[place])));
    fetched.catch(() => loading.delete(question.question_id));
    loading.set(question.question_id, fetched);
  }
  return loading.get(question.question_id);
}

async function fetchClip(token) {
  let response;
  try {
    response = await fetch(`/audio/${token}`);
  } catch {
    throw new Refused("The music could not be loaded: the server cannot be reached.", 0);
  }
  if (!response.ok) throw new Refused("The music could not be loaded.", response.status);
  return URL.createObjectURL(await response.blob());
}

const card = (place) => document.querySelector(`.clip[data-place="${place}"]`);
const audio = (place) => card(place).querySelector("audio");

const playable = (player) => new Promise((done) => {
  player.addEventListener("canplaythrough", done, { once: true });
  setTimeout(done, READY_MS);
});

function heardSeconds(player) {
  let sum = 0;
  for (let range = 0; range < player.played.length; range += 1) sum += player.played.end(range) - player.played.start(range);
  return sum;
}

function heardEnough(place) {
  const player = audio(place);
  return player.ended || heardSeconds(player) >= Math.min(rules.listen_seconds, (player.duration || Infinity) - 0.1);
}

const unheard = () => PLACES.filter((place) => !card(place).classList.contains("done"));
const playing = () => PLACES.find((place) => !audio(place).paused);
const stop = () => { for (const place of PLACES) audio(place).pause(); };

function play(place) {
  const was = playing();
  stop();
  if (was === place) return;
  const player = audio(place);
  if (player.ended) player.currentTime = 0;
  player.play().catch(() => say("Press play once more: the browser did not let the music start."));
}

function space() {
  if (playing()) stop();
  else play(unheard()[0] || "anchor");
}

function draw(place) {
  const player = audio(place), box = card(place), on = !player.paused && !player.ended;
  box.classList.toggle("playing", on);
  box.querySelector(".fill").style.width = `${player.duration ? (100 * player.currentTime) / player.duration : 0}%`;
  if (on) requestAnimationFrame(() => draw(place));
  box.querySelector(".words").textContent = `${on ? "Stop" : "Play"} ${NAMES[place]}`;
  if (shown && !box.classList.contains("done") && heardEnough(place)) {
    box.classList.add("done");
    box.querySelector(".said").textContent = "✓ heard";
    announceWhatIsLeft();
  }
}

function announceWhatIsLeft() {
  const left = unheard();
  for (const button of document.querySelectorAll(".clip .choose")) button.setAttribute("aria-disabled", String(left.length > 0));
  say(left.length ? `Still to hear: ${left.map((place) => NAMES[place]).join(", ")}.` : "Now choose: which is closer, A or B?");
}

const say = (text) => { by("status").textContent = text; };

// Screens.

function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  by("loading").hidden = true;
  window.scrollTo(0, 0);
  by(id).querySelector("h1").focus({ preventScroll: true });
}

function drawPlace() {
  const parts = { tutorial: "Example", qualifier: "Test", main: "Answered" };
  const part = parts[state.phase];
  by("place").hidden = !part;
  for (const who of document.querySelectorAll(".who")) who.textContent = state.annotator_id;
  if (!part) return;
  const counted = state.phase === "main" ? state.answered : state.answered + 1;
  by("part").textContent = part;
  by("count").textContent = `${counted} of ${state.phase === "main" ? "about " : ""}${state.total}`;
  by("progress").max = state.total || 1;
  by("progress").value = state.answered;
}

const firstTry = () => state.tries_left === rules.qualifier_tries;

const INTRODUCTIONS = {
  tutorial: () => ["First, a few examples", `There are ${rules.tutorial}. After each you are told what most people would say, and why.`,
    `Listen to all three before you choose: at least ${rules.listen_seconds} seconds of each. Titles are not shown, so that only the sound counts.`],
  qualifier: () => [firstTry() ? "Now a short test" : "Once more, with other music",
    `${rules.qualifier} questions, without help. If you answer ${rules.qualifier_right} of them as a careful listener would, your answers count from then on.`,
    firstTry() ? "Take your time." : `That did not quite work out. ${state.tries_left > 1 ? "You may try again" : "This is the last try"}: take your time, and use headphones if you can.`],
  main: () => ["From here on your answers count", "Many of these questions are hard, and often there is no right answer: we ask because we do not know. Say what you hear.",
    "If you really cannot tell, say so. Stop whenever you like: everything is saved at once."],
};

const ENDS = {
  done: ["That was all. Thank you!", "There are no more questions for you. All your answers are saved; you may close this page."],
  failed: ["Thank you for trying", "The test did not work out this time, so we stop here. These questions suit some ears better than others."],
  suspended: ["We stop here. Thank you for your time", "Several answers did not fit questions whose answer is known, or came faster than anybody can listen. So your answers are kept apart and not used. If you think that is wrong, tell the person who asked you."],
};

async function proceed() {
  drawPlace();
  if (ENDS[state.phase]) {
    [by("end-title").textContent, by("end-text").textContent] = ENDS[state.phase];
    show("end");
    return;
  }
  const part = `${state.phase} ${state.tries_left}`;
  if (introduced !== part && state.answered === 0) {
    const [title, text, rule] = INTRODUCTIONS[state.phase]();
    by("between-title").textContent = title;
    by("between-text").textContent = text;
    by("between-rule").textContent = rule;
    introduced = part;
    show("between");
    if (state.question) load(state.question).catch(() => {});
    return;
  }
  introduced = part;
  await ask();
}

async function ask() {
  const question = state.question;
  if (!loading.has(question.question_id)) by("loading").hidden = false;
  let addresses;
  try {
    addresses = await load(question);
  } catch (error) {
    if (error.status !== 404) throw error;
    await refresh(); // clips of a server that was started anew
    addresses = await load(state.question);
  }
  await place(state.question, addresses);
  if (state.following) load(state.following).catch(() => {});
}

async function place(question, addresses) {
  shown = null;
  const ready = PLACES.map((name, number) => {
    const player = audio(name);
    player.src = addresses[number];
    player.load();
    card(name).classList.remove("done");
    card(name).querySelector(".said").textContent = "";
    return playable(player);
  });
  await Promise.all(ready);
  by("feedback").hidden = true;
  document.querySelector(".choose.plain").setAttribute("aria-disabled", "false");
  afterwards = null;
  by("asking").textContent = "Which sounds more like this one?";
  drawPlace();
  shown = { id: question.question_id, since: performance.now(), addresses };
  for (const name of PLACES) draw(name);
  announceWhatIsLeft();
  show("question");
  by("question").dataset.question = question.question_id;
}

function choose(choice) {
  if (!shown || afterwards || busy) return;
  const left = unheard();
  if (left.length && choice !== "skip") {
    say(`Listen first to ${left.map((name) => NAMES[name]).join(", ")}: at least ${rules.listen_seconds} seconds.`);
    return;
  }
  stop();
  const given = { question_id: shown.id, choice, seconds_taken: (performance.now() - shown.since) / 1000 };
  attempt(() => send(given));
}

async function send(given) {
  let reply;
  try {
    reply = await call(`/api/sessions/${encodeURIComponent(state.session_id)}/answers`, given);
  } catch (error) {
    if (error.status !== 404 && error.status !== 409) throw error;
    await refresh();
    if (state.question && state.question.question_id === given.question_id) {
      reply = await call(`/api/sessions/${encodeURIComponent(state.session_id)}/answers`, given);
    } else {
      await proceed(); // it has been saved before, or another question is due
      return;
    }
  }
  loading.delete(shown.id);
  for (const address of shown.addresses) setTimeout(() => URL.revokeObjectURL(address), 60000);
  state = reply.state;
  if (reply.closer) {
    tell(given.choice, reply);
    return;
  }
  shown = null;
  await proceed();
  if (reply.hurried && shown) say("That was quick. Please listen to all three with care.");
}

function tell(choice, reply) {
  const closer = NAMES[reply.closer];
  const wrong = choice !== "skip" && choice !== reply.closer;
  by("feedback").classList.toggle("wrong", wrong);
  by("verdict").textContent = wrong ? `Most people would say ${closer}.` : choice === "skip" ? `It is ${closer}.` : `Yes, ${closer}.`;
  by("reason").textContent = reply.reason;
  by("feedback").hidden = false;
  for (const button of document.querySelectorAll(".choose")) button.setAttribute("aria-disabled", "true");
  say("");
  afterwards = () => { shown = null; afterwards = null; attempt(proceed); };
  by("feedback").scrollIntoView({ block: "nearest" });
  by("verdict").focus({ preventScroll: true });
  if (state.question) load(state.question).catch(() => {});
}

// What people do.

for (const name of PLACES) {
  card(name).querySelector(".play").addEventListener("click", () => play(name));
  for (const event of ["play", "pause", "ended", "loadedmetadata"]) audio(name).addEventListener(event, () => draw(name));
}
for (const button of document.querySelectorAll(".choose")) button.addEventListener("click", () => choose(button.dataset.choice));
by("go-on").addEventListener("click", () => attempt(ask));
by("after-feedback").addEventListener("click", () => afterwards && afterwards());
by("retry").addEventListener("click", () => again && attempt(again));
for (const button of document.querySelectorAll(".leave")) button.addEventListener("click", () => {
  stop();
  memory("session", "");
  by("annotator").value = "";
  shown = null;
  introduced = "";
  by("place").hidden = true;
  show("welcome");
  by("annotator").focus();
});
by("join").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => { await join(by("annotator").value); await proceed(); });
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const onButton = event.target.matches("button");
  const key = event.key.toLowerCase();
  if (key === "enter" && !onButton && !event.repeat) {
    if (!by("between").hidden) attempt(ask);
    else if (afterwards) afterwards();
    return;
  }
  if (by("question").hidden || event.repeat) return;
  const keys = {
    1: () => play("anchor"), 2: () => play("left"), 3: () => play("right"),
    arrowleft: () => choose("left"), a: () => choose("left"), arrowright: () => choose("right"), b: () => choose("right"),
    s: () => choose("skip"), " ": () => space(),
  };
  if (!keys[key] || (key === " " && onButton)) return;
  event.preventDefault();
  keys[key]();
});

attempt(async () => {
  rules = rules || await call("/api/rules");
  const session = memory("session"), name = memory("annotator");
  if (session && name) {
    state = { session_id: session, annotator_id: name };
    await refresh();
    await proceed();
    return;
  }
  show("welcome");
  by("annotator").focus();
});
