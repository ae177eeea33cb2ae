"use strict";
const find = (id) => document.getElementById(id);
function reveal(row) {
  for (let up = row.parentElement; up; up = up.parentElement)
    if (up.tagName === "DETAILS") up.open = true;
}
function arrive() {
  const row = find(location.hash.slice(1));
  if (!row || !row.classList.contains("row")) return;
  reveal(row);
  row.scrollIntoView({ block: "center" });
}
addEventListener("hashchange", arrive);
arrive();
for (const tools of document.querySelectorAll(".tools")) {
  tools.hidden = false;
  tools.addEventListener("click", (event) => {
    if (!event.target.dataset || event.target.dataset.open === undefined)
      return;
    const open = event.target.dataset.open === "1";
    const section = tools.closest("section");
    for (const part of section.querySelectorAll("details"))
      part.open = open || "win" in part.dataset;
  });
}
for (const map of document.querySelectorAll(".map")) {
  const inspect = map.nextElementSibling;
  inspect.hidden = false;
  inspect.textContent = "Point at a thought to read it, click to find it.";
  const links = new Map();
  for (const link of map.querySelectorAll("a"))
    links.set(link.getAttribute("href").slice(1), link);
  map.addEventListener("mouseover", (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    for (const other of links.values()) other.classList.remove("lit");
    for (let up = link; up; up = links.get(up.dataset.parent))
      up.classList.add("lit");
    const row = find(link.getAttribute("href").slice(1));
    const text = document.createElement("span");
    text.className = "text";
    text.textContent = row.querySelector(".text").textContent;
    inspect.replaceChildren(text, link.dataset.about);
  });
  map.addEventListener("mouseleave", () => {
    for (const other of links.values()) other.classList.remove("lit");
  });
}
