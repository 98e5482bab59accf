/* Loads the start page again now and then, while somebody is looking at it. */
"use strict";
const verdict = document.querySelector("[data-again]");
if (verdict) {
  setInterval(() => {
    if (document.visibilityState === "visible") location.reload();
  }, Number(verdict.dataset.again) * 1000);
}
