// The drop zone: files go up one after another, and each is followed until its execution is known.

const form = document.getElementById("upload");
const target = document.getElementById("target");
const prefix = document.getElementById("prefix");
const file = document.getElementById("file");
const drop = document.getElementById("drop");
const list = document.getElementById("uploads");

// How long the event of other storage may take before somebody is told to look.
const PATIENCE_MS = 60_000;
const ASK_EVERY_MS = 500;

const encode = (key) => key.split("/").map(encodeURIComponent).join("/");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

// A file's name as a key: no folders in it, nothing that cannot be seen, and not all dots.
function keyOf(name) {
  const plain = name.normalize("NFC").replace(/[\u0000-\u001f\u007f\\/]/g, "_").replace(/^\.+$/, "_").trim();
  const folders = prefix.value.split("/").map((part) => part.trim()).filter(Boolean);
  return [...folders, plain].join("/");
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

class Upload {
  constructor(chosen, bucket, key) {
    Object.assign(this, { chosen, bucket, key });
    this.said = element("span", { class: "said" }, "waiting");
    this.bar = element("progress", { max: "1", value: "0", "aria-label": `Upload of ${chosen.name}` });
    this.row = element("li", {}, element("strong", {}, chosen.name), this.bar, this.said);
    list.prepend(this.row);
  }

  say(state, ...what) {
    this.row.dataset.state = state;
    this.said.replaceChildren(...what);
  }

  get address() { return `/uploads/${encodeURIComponent(this.bucket)}/${encode(this.key)}`; }

  // fetch() cannot tell how much of a body has gone.
  send(replace) {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      request.open("PUT", this.address + (replace ? "?replace=true" : ""));
      request.responseType = "json";
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        this.bar.value = total ? loaded / total : 0;
        this.say("sending", `${Math.round(this.bar.value * 100)} %`);
      });
      request.addEventListener("load", () => done({ status: request.status, told: request.response ?? {} }));
      request.addEventListener("error", () => failed(new Error("the connection was lost")));
      request.setRequestHeader("content-type", this.chosen.type || "application/octet-stream");
      request.send(this.chosen);
    });
  }

  async run(replace = false) {
    // Browsers take such parts out of an address before they send it.
    if (this.key.split("/").some((part) => part === "." || part === "..")) {
      this.say("failed", "a folder cannot be named “.” or “..”");
      return;
    }
    this.say("sending", "0 %");
    let answer;
    try {
      answer = await this.send(replace);
    } catch (error) {
      this.say("failed", `${error.message} `, this.button("Try again", () => this.run(replace)));
      return;
    }
    const { status, told } = answer;
    if (status === 409 && told.code === "OBJ0014") {
      this.say("failed", `${told.detail} `, this.button("Replace it", () => this.run(true)));
    } else if (status === 503) {
      // A queue is full, or the store away: that passes.
      this.say("failed", `${told.detail ?? "temporarily rejected"} `, this.button("Try again", () => this.run(replace)));
    } else if (status !== 201) {
      this.say("failed", `${told.code ?? status}: ${told.detail ?? "rejected"}`);
    } else {
      this.bar.value = 1;
      await this.follow(told);
    }
  }

  button(text, does) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", does);
    return made;
  }

  async follow({ etag, since }) {
    this.say("stored", "stored, waiting for its event");
    const place = new URLSearchParams({ bucket: this.bucket, key: this.key });
    const why = element("a", { href: `/events?${place}` }, "why?");
    const question = `${this.address}?${new URLSearchParams({ etag, since })}`;
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await wait(ASK_EVERY_MS)) {
      const answer = await fetch(question).catch(() => null);
      const told = answer?.ok ? await answer.json() : { known: false };
      if (!told.known) continue;
      const [execution] = told.executions;
      if (!execution) {
        this.say("failed", "stored, but no workflow was started: ", why);
        return;
      }
      const link = element("a", { href: `/executions/${execution}` }, "Show execution");
      this.say("started", "started. ", link);
      // One upload alone is what somebody waits for.
      if (list.children.length === 1) location.href = link.href;
      return;
    }
    this.say("stored", "stored, but its event has not arrived yet: ", why);
  }
}

async function upload(files) {
  const { bucket } = target.selectedOptions[0].dataset;
  const uploads = [...files].map((one) => new Upload(one, bucket, keyOf(one.name)));
  for (const one of uploads) await one.run();
}

if (form) {
  form.addEventListener("submit", (event) => event.preventDefault());
  target.addEventListener("change", () => { prefix.value = target.selectedOptions[0].dataset.prefix; });
  file.addEventListener("change", () => { upload([...file.files]); file.value = ""; });
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    upload(event.dataTransfer.files);
  });
}
