/* Asks how far a bulk operation is, until it is over. */
"use strict";
const operation = document.getElementById("operation");

async function look() {
  let figures;
  try {
    figures = await (await fetch(operation.dataset.progress, { credentials: "same-origin" })).json();
  } catch {
    setTimeout(look, 5000); // the service is away: it is asked again
    return;
  }
  for (const name of ["done", "failed"]) operation.querySelector(`[data-figure=${name}]`).textContent = figures[name];
  operation.querySelector("progress").value = figures.done + figures.failed;
  if (figures.over) location.reload(); // shows what failed, and why
  else setTimeout(look, 1000);
}

if (operation && operation.dataset.over === "no") look();
