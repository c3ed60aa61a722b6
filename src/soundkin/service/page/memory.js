// What this browser keeps, where it keeps anything.

export function recall(name, storage = localStorage) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

/** Whether it is kept. */
export function keep(name, value, storage = localStorage) {
  try {
    storage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
