"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  if (!data.leads.length) return;

  // Pictures that stand in the page are taken from there.
  const pictures = data.images.map((text) => (text ? "data:image/png;base64," + text : ""));
  for (const image of all("img[data-image]")) pictures[image.dataset.image] = image.src;

  const slider = find("#slider"), threshold = find("#threshold"), play = find("#play"), panels = find(".panels");
  const last = data.leads.length - 1;
  let now = 0, timer = 0;

  function show(lead) {
    now = Math.max(0, Math.min(last, lead));
    const at = data.leads[now];
    slider.value = now;
    slider.setAttribute("aria-valuetext", at.lead);
    find("#lead").textContent = at.lead;
    find("#valid").textContent = "valid " + at.valid;
    for (const panel of all(".panel")) {
      const name = panel.dataset.panel;
      const [index, note] = at.maps[name === "probability" ? "probability " + threshold.value : name];
      const image = find("img", panel);
      image.hidden = index === null;
      if (index !== null && image.src !== pictures[index]) image.src = pictures[index];
      panel.classList.toggle("late", note.startsWith("not yet observed"));
      image.alt = `${data.names[name]}, ${at.lead}, valid ${at.valid}: ${note}`;
      find(".note", panel).textContent = note;
    }
    for (const element of all("[data-lead]")) {
      const here = Number(element.dataset.lead) === now;
      element.classList.toggle("now", here);
      if (element.tagName === "BUTTON") here ? element.setAttribute("aria-current", "true") : element.removeAttribute("aria-current");
    }
    details(at);
    read();
  }

  function details(at) {
    const list = find("#details");
    if (!list) return;
    const order = { fail: 0, suspect: 1, unknown: 2, pass: 3 };
    const findings = [...at.findings].sort((a, b) => order[a.verdict] - order[b.verdict]);
    const worse = findings.filter((f) => f.verdict !== "pass");
    find("#details-title").textContent = worse.length ? `At ${at.lead}` : `At ${at.lead} every check passes`;
    list.replaceChildren(...(worse.length ? worse : findings).map((f) => {
      const item = document.createElement("li");
      item.className = f.verdict;
      const bold = document.createElement("b");
      bold.textContent = `${f.sign} ${f.subject}, ${f.check.toLowerCase()}`;
      const small = document.createElement("small");
      small.textContent = f.source ? ` (${f.source})` : "";
      const value = f.value ? `: ${f.value}` : "";
      const allowed = f.threshold ? `; expected ${f.threshold}` : "";
      item.append(bold, `${value}${allowed}${f.message ? ". " + f.message : ""}`, small);
      return item;
    }));
  }

  function playing(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => show(now === last ? 0 : now + 1), 650) : 0;
    play.textContent = on ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(on));
  }

  slider.addEventListener("input", () => { playing(false); show(Number(slider.value)); });
  find("#back").addEventListener("click", () => { playing(false); show(now - 1); });
  find("#on").addEventListener("click", () => { playing(false); show(now + 1); });
  play.addEventListener("click", () => playing(!timer));
  if (threshold) threshold.addEventListener("change", () => show(now));
  for (const element of all("[data-lead]")) element.addEventListener("click", () => { playing(false); show(Number(element.dataset.lead)); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "TEXTAREA", "SUMMARY"].includes(event.target.tagName)) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); playing(false); show(now + step); }
    else if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); playing(!timer); }
  });

  // The pointer reads every map at the same place.
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const ink = canvas.getContext("2d", { willReadFrequently: true });
  let aim = null;

  function word(image, kind) {
    if (image.hidden || !image.naturalWidth) return "";
    const scale = data.scales[kind];
    const x = Math.min(image.naturalWidth - 1, Math.floor(aim.right * image.naturalWidth));
    const y = Math.min(image.naturalHeight - 1, Math.floor(aim.down * image.naturalHeight));
    ink.clearRect(0, 0, 1, 1);
    ink.drawImage(image, x, y, 1, 1, 0, 0, 1, 1);
    const [r, g, b, a] = ink.getImageData(0, 0, 1, 1).data;
    if (a === 0) return kind === "rain" ? "dry" : `< ${scale.labels[0]} %`;
    if (a < 255) return "no data";
    const far = scale.colours.map((c) => Math.abs(c[0] - r) + Math.abs(c[1] - g) + Math.abs(c[2] - b));
    const k = far.indexOf(Math.min(...far));
    const upper = scale.labels[k + 1];
    return upper ? `${scale.labels[k]}–${upper} ${scale.unit}` : `≥ ${scale.labels[k]} ${scale.unit}`;
  }

  function place() {
    if (!data.places) return "";
    const side = 17, u = aim.right * (side - 1), v = aim.down * (side - 1);
    const i = Math.min(side - 2, Math.floor(v)), j = Math.min(side - 2, Math.floor(u)), p = v - i, q = u - j;
    const at = (row, column) => data.places[row * side + column];
    const base = at(i, j)[0];
    const mix = (k) => {
      const value = (row, column) => { const x = at(row, column)[k]; return k ? x : base + ((x - base + 540) % 360) - 180; };
      return (1 - p) * ((1 - q) * value(i, j) + q * value(i, j + 1)) + p * ((1 - q) * value(i + 1, j) + q * value(i + 1, j + 1));
    };
    const lon = ((mix(0) + 540) % 360) - 180, lat = mix(1);
    return `${Math.abs(lat).toFixed(2)}°${lat < 0 ? "S" : "N"} ${Math.abs(lon).toFixed(2)}°${lon < 0 ? "W" : "E"}`;
  }

  function read() {
    panels.classList.toggle("aim", aim !== null);
    for (const panel of all(".panel")) {
      const kind = panel.dataset.panel === "probability" ? "probability" : "rain";
      find(".reading", panel).textContent = aim ? word(find("img", panel), kind) : "";
    }
    find(".keys").textContent = aim && place() ? place() : hint;
  }

  const hint = find(".keys").textContent;
  for (const map of all(".map")) {
    map.addEventListener("pointermove", (event) => {
      const box = map.getBoundingClientRect();
      aim = { right: (event.clientX - box.left) / box.width, down: (event.clientY - box.top) / box.height };
      if (aim.right < 0 || aim.right >= 1 || aim.down < 0 || aim.down >= 1) return;
      panels.style.setProperty("--right", aim.right);
      panels.style.setProperty("--down", aim.down);
      read();
    });
    map.addEventListener("pointerleave", () => { aim = null; read(); });
    const image = find("img", map);
    image.addEventListener("load", () => { image.classList.toggle("few", image.naturalWidth < map.clientWidth); if (aim) read(); });
  }
  for (const image of all(".map img")) image.classList.toggle("few", image.naturalWidth < image.clientWidth);
  show(0);
})();
