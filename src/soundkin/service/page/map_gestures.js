// What fingers, mouse and wheel do on the map, said as: begin, drag, end, tap, hover, leave, pinch.

const STILL = 6; // pixels that a press may move and still be a tap
const REACH = { mouse: 10, pen: 14, touch: 24 }; // pixels around a press in which a track is meant
const WHEEL = 0.0022; // of a pixel that the wheel turns
const LINE_PIXELS = 16;

/** Calls `act` until `signal` is aborted. Points are pixels from the top left corner of the ground. */
export function followPointers(ground, act, signal) {
  const pressed = new Map(); // pointers, and where they are
  let begun = null; // where the one that drags, or taps, began
  let dragged = false;

  const at = (event) => {
    const box = ground.getBoundingClientRect();
    return [event.clientX - box.left - ground.clientLeft, event.clientY - box.top - ground.clientTop];
  };
  const listen = (kind, handle) => ground.addEventListener(kind, handle, { signal, passive: false });

  listen("pointerdown", (event) => {
    if (event.button > 0) return;
    ground.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, at(event));
    if (pressed.size === 1) {
      [begun, dragged] = [at(event), false];
      act.begin(begun, REACH[event.pointerType] || REACH.mouse);
    } else if (begun) {
      begun = null;
      act.cancel();
    }
  });

  listen("pointermove", (event) => {
    const [here, before] = [at(event), pressed.get(event.pointerId)];
    if (!before) return event.buttons || act.hover(here, REACH[event.pointerType] || REACH.mouse);
    if (pressed.size === 2) {
      const [one, other] = [...pressed].map(([id, point]) => [point, id === event.pointerId ? here : point]);
      pinch(one, other);
    } else if (begun) {
      dragged ||= Math.hypot(here[0] - begun[0], here[1] - begun[1]) > STILL;
      if (dragged) act.drag(here, before);
    }
    pressed.set(event.pointerId, here);
    return undefined;
  });

  /** Two fingers, each from where it was to where it is. */
  function pinch([from1, to1], [from2, to2]) {
    const wide = (one, other) => Math.max(Math.hypot(one[0] - other[0], one[1] - other[1]), 1);
    const middle = (one, other) => [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
    act.pinch(wide(to1, to2) / wide(from1, from2), middle(from1, from2), middle(to1, to2));
  }

  listen("pointerup", (event) => {
    const reach = REACH[event.pointerType] || REACH.mouse;
    if (pressed.delete(event.pointerId) && begun) (dragged ? act.end : act.tap)(at(event), reach);
    begun = null;
  });
  listen("pointercancel", (event) => {
    if (pressed.delete(event.pointerId)) act.cancel();
    begun = null;
  });
  listen("pointerleave", act.leave);
  listen("wheel", (event) => {
    event.preventDefault();
    const turned = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS * event.deltaY : event.deltaY;
    act.pinch(Math.exp(-WHEEL * Math.min(Math.max(turned, -300), 300)), at(event), at(event));
  });
}
