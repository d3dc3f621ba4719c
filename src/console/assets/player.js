// Plays HLS: by Media Source Extensions where segments are fragmented MP4 that the browser knows, which also lets people
// choose among renditions; else by the browser itself, where it can.
//
// Absent: live playlists, DRM, and anything that Reelmill does not write.

// Seconds kept ready ahead of what is shown, and behind it.
const AHEAD_S = 20;
const BEHIND_S = 30;
// Share of the measured throughput that a rendition may take.
const CAUTION = 0.7;
// Throughput assumed before anything was measured, in bit/s.
const FIRST_GUESS = 4_000_000;
// How much what is new counts in the measure.
const NEW = 0.3;

// --- Playlists ----------------------------------------------------------------------------------------------

function attributes(text) {
  const pairs = text.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g);
  return Object.fromEntries([...pairs].map(([, name, quoted, plain]) => [name, quoted ?? plain]));
}

async function lines(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
  const all = (await answer.text()).split(/\r?\n/).map((line) => line.trim()).filter(Boolean);
  return all.map((line) => ({ line, tag: line.split(":", 1)[0], value: line.slice(line.indexOf(":") + 1) }));
}

async function readMaster(url) {
  const found = { variants: [], audio: [] };
  let next = null;
  for (const { line, tag, value } of await lines(url)) {
    if (tag === "#EXT-X-STREAM-INF") {
      next = attributes(value);
    } else if (tag === "#EXT-X-MEDIA") {
      const media = attributes(value);
      if (media.TYPE === "AUDIO" && media.URI) found.audio.push({ ...media, url: new URL(media.URI, url).href });
    } else if (!line.startsWith("#") && next) {
      found.variants.push({
        url: new URL(line, url).href,
        bandwidth: Number(next.BANDWIDTH),
        resolution: next.RESOLUTION ?? "",
        codecs: next.CODECS ?? "",
        group: next.AUDIO,
      });
      next = null;
    }
  }
  return found;
}

// A resource or a range of it; a range without a start begins where the last one ended.
function piece(uri, base, range, after) {
  const made = { url: new URL(uri, base).href, range: null };
  if (range) {
    const [length, start] = range.split("@").map(Number);
    const from = start ?? after ?? 0;
    made.range = [from, from + length - 1];
  }
  return made;
}

async function readMedia(url) {
  const found = { init: null, segments: [], encrypted: false, duration: 0 };
  let [duration, range] = [0, null];
  for (const { line, tag, value } of await lines(url)) {
    if (tag === "#EXT-X-MAP") {
      const map = attributes(value);
      found.init = piece(map.URI, url, map.BYTERANGE);
    } else if (tag === "#EXT-X-KEY") {
      found.encrypted ||= attributes(value).METHOD !== "NONE";
    } else if (tag === "#EXTINF") {
      duration = Number.parseFloat(value);
    } else if (tag === "#EXT-X-BYTERANGE") {
      range = value;
    } else if (!line.startsWith("#")) {
      const last = found.segments.at(-1)?.range;
      const segment = piece(line, url, range, last ? last[1] + 1 : undefined);
      found.segments.push({ ...segment, end: found.duration + duration });
      found.duration += duration;
      range = null;
    }
  }
  return found;
}

// --- A source buffer and what goes into it ------------------------------------------------------------------

const happens = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));

class Track {
  constructor(player, buffer, list) {
    Object.assign(this, { player, buffer, list, next: 0, init: null, stale: false });
  }

  // The next segment to append is the one at `time`.
  seek(time) {
    const found = this.list.segments.findIndex((segment) => time < segment.end - 0.01);
    this.next = found < 0 ? this.list.segments.length : found;
  }

  // Seconds that are ready from `time` on.
  ahead(time) {
    const { buffered } = this.buffer;
    for (let at = 0; at < buffered.length; at += 1) {
      // Segments of sound and picture do not begin at the very same time.
      if (buffered.start(at) <= time + 0.3 && time < buffered.end(at)) return buffered.end(at) - time;
    }
    return 0;
  }

  get isDone() { return this.next >= this.list.segments.length; }

  async append(bytes) {
    this.buffer.appendBuffer(bytes);
    await happens(this.buffer, "updateend");
  }

  async remove(from, to) {
    if (this.buffer.buffered.length === 0 || from >= to) return;
    this.buffer.remove(from, to);
    await happens(this.buffer, "updateend");
  }

  // Appends the next segment, unless somebody sought meanwhile.
  async step(time) {
    if (this.stale) {
      this.stale = false;
      await this.remove(0, Infinity);
      this.seek(time);
    }
    const { list, next } = this;
    if (this.init !== list.init) {
      await this.append(await this.player.load(list.init));
      this.init = list.init;
    }
    const bytes = await this.player.load(list.segments[next]);
    if (this.next !== next) return;
    await this.append(bytes);
    this.next += 1;
    await this.remove(0, time - BEHIND_S);
  }
}

// --- The player ---------------------------------------------------------------------------------------------

const isSound = (codec) => /^(mp4a|ac-3|ec-3|opus|flac)/i.test(codec);

class Player {
  constructor(video, say, variants, sound) {
    Object.assign(this, { video, say, variants, sound, throughput: FIRST_GUESS, chosen: null, running: false });
  }

  // A player of the package at `url`, where its renditions can be played in this way.
  static async of(video, url, say) {
    if (!("MediaSource" in window)) return null;
    const { variants, audio } = await readMaster(url);
    const plays = ({ codecs }) => codecs && MediaSource.isTypeSupported(`video/mp4; codecs="${codecs}"`);
    const usable = variants.filter(plays).sort((a, b) => a.bandwidth - b.bandwidth);
    if (usable.length === 0) return null;
    for (const variant of usable) variant.list = await readMedia(variant.url);
    const group = audio.filter((one) => one["GROUP-ID"] === usable[0].group);
    const sound = group.find((one) => one.DEFAULT === "YES") ?? group[0];
    const soundList = sound ? await readMedia(sound.url) : null;
    const lists = [...usable.map((variant) => variant.list), ...(soundList ? [soundList] : [])];
    if (lists.some((list) => !list.init || list.encrypted)) return null;
    return new Player(video, say, usable, soundList);
  }

  async load({ url, range }) {
    const started = performance.now();
    const answer = await fetch(url, { headers: range ? { range: `bytes=${range[0]}-${range[1]}` } : {} });
    if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
    const bytes = await answer.arrayBuffer();
    const seconds = Math.max(0.001, (performance.now() - started) / 1000);
    this.throughput += NEW * ((bytes.byteLength * 8) / seconds - this.throughput);
    return bytes;
  }

  best() {
    if (this.chosen !== null) return this.variants[this.chosen];
    return this.variants.findLast((one) => one.bandwidth <= this.throughput * CAUTION) ?? this.variants[0];
  }

  async start() {
    const source = new MediaSource();
    const address = URL.createObjectURL(source);
    this.video.src = address;
    await happens(source, "sourceopen");
    URL.revokeObjectURL(address);
    this.source = source;
    this.playing = this.best();
    source.duration = Math.max(this.playing.list.duration, this.sound?.duration ?? 0);
    this.picture = new Track(this, source.addSourceBuffer(this.type(this.playing)), this.playing.list);
    this.tracks = [this.picture];
    if (this.sound) {
      const codecs = this.playing.codecs.split(",").map((codec) => codec.trim()).filter(isSound).join(",");
      this.tracks.push(new Track(this, source.addSourceBuffer(`audio/mp4; codecs="${codecs}"`), this.sound));
    }
    this.video.addEventListener("seeking", () => {
      const time = this.video.currentTime;
      for (const track of this.tracks) if (track.ahead(time) === 0) track.seek(time);
      this.run();
    });
    this.video.addEventListener("timeupdate", () => this.run());
    this.report();
    await this.run();
  }

  // What the picture's buffer holds: the sound too, where that is no track of its own.
  type({ codecs }) {
    const all = codecs.split(",").map((codec) => codec.trim());
    const own = this.sound ? all.filter((codec) => !isSound(codec)) : all;
    return `${own.every(isSound) ? "audio" : "video"}/mp4; codecs="${own.join(",")}"`;
  }

  async run() {
    if (this.running || this.source.readyState === "closed") return;
    this.running = true;
    try {
      for (;;) {
        const time = this.video.currentTime;
        const isHungry = (track) => track.stale || (!track.isDone && track.ahead(time) < AHEAD_S);
        const [track] = this.tracks.filter(isHungry).sort((a, b) => a.ahead(time) - b.ahead(time));
        if (!track) break;
        if (track === this.picture) this.change();
        await track.step(time);
      }
      if (this.tracks.every((track) => track.isDone) && this.source.readyState === "open") this.source.endOfStream();
    } catch (error) {
      this.say(`It cannot be played on: ${error.message}`);
    } finally {
      this.running = false;
    }
  }

  // Goes over to the best rendition from the next segment on.
  change() {
    const best = this.best();
    if (best === this.playing) return;
    if (best.codecs !== this.playing.codecs) this.picture.buffer.changeType(this.type(best));
    this.playing = best;
    this.picture.list = best.list;
    this.report();
  }

  report() {
    this.video.dataset.bandwidth = String(this.playing.bandwidth);
    this.say(`HLS · ${describe(this.playing)}`);
  }

  // Offers the renditions to choose from.
  offer(label, select) {
    const option = (text, value) => Object.assign(document.createElement("option"), { textContent: text, value });
    select.replaceChildren(option("automatic", ""), ...this.variants.map((one, at) => option(describe(one), String(at))));
    label.hidden = this.variants.length < 2;
    select.addEventListener("change", () => {
      this.chosen = select.value === "" ? null : Number(select.value);
      this.picture.stale = this.best() !== this.playing;
      this.run();
    });
  }
}

const describe = ({ resolution, bandwidth }) => `${resolution.replace("x", "×") || "sound"} · ${(bandwidth / 1e6).toFixed(1)} Mbit/s`;

async function start() {
  const video = document.getElementById("video");
  if (!video?.dataset.hls || video.dataset.by) return;
  video.dataset.by = "nobody yet";
  const status = document.getElementById("player-status");
  const say = (text) => { status.textContent = text; };
  const address = new URL(video.dataset.hls, location.href).href;
  const player = await Player.of(video, address, say).catch(() => null);
  if (player) {
    video.dataset.by = "script";
    video.replaceChildren();
    player.offer(document.getElementById("quality-label"), document.getElementById("quality"));
    await player.start();
  } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
    video.dataset.by = "browser";
    video.src = address;
    say("HLS, played by the browser");
  } else {
    say("This browser plays no HLS of this kind; the renditions beside it can be played.");
  }
}

start();
document.addEventListener("swapped", start);
