/* Asks how far an errand is, until it is over. */
"use strict";
const errand = document.getElementById("errand");

async function look() {
  let figures;
  try {
    figures = await (await fetch(errand.dataset.progress, { credentials: "same-origin" })).json();
  } catch {
    setTimeout(look, 5000); // the service is away: it is asked again
    return;
  }
  for (const name of ["done", "failed"]) errand.querySelector(`[data-figure=${name}]`).textContent = figures[name];
  errand.querySelector("progress").value = figures.done + figures.failed;
  if (figures.over) location.reload(); // shows what failed, and why
  else setTimeout(look, 1000);
}

if (errand && errand.dataset.over === "no") look();
