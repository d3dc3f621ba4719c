// Plays HLS: by Media Source Extensions where segments are fragmented MP4 that the browser knows, which also lets people
// choose among renditions; else by the browser itself, where it can.
//
// Absent: live playlists, DRM, and anything that Reelmill does not write.

import { offerCaptions } from "./captions.js";
import { readMaster, readMedia } from "./playlist.js";

// Seconds kept ready ahead of what is shown, and behind it.
const AHEAD_S = 20;
const BEHIND_S = 30;
// Share of the measured throughput that a rendition may take.
const CAUTION = 0.7;
// Throughput assumed before anything was measured, in bit/s.
const FIRST_GUESS = 4_000_000;
// How much what is new counts in the measure.
const NEW = 0.3;

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
      this.seek(this.player.video.currentTime);
    }
    const { list, next } = this;
    if (this.init !== list.init) {
      await this.append(await this.player.load(list.init));
      this.init = list.init;
    }
    const bytes = await this.player.load(list.segments[next]);
    if (this.next !== next) return;
    // Before the wait: whoever seeks meanwhile has the last word.
    this.next = next + 1;
    await this.append(bytes);
    await this.remove(0, time - BEHIND_S);
  }
}

// --- The player ---------------------------------------------------------------------------------------------

const isSound = (codec) => /^(mp4a|ac-3|ec-3|opus|flac)/i.test(codec);

class Player {
  constructor(video, say, { variants, sounds, sound, subtitles }) {
    Object.assign(this, { video, say, variants, sounds, sound, subtitles });
    Object.assign(this, { throughput: FIRST_GUESS, chosen: null, running: false });
  }

  // A player of the package at `url`, where its renditions can be played in this way.
  static async of(video, url, say) {
    if (!("MediaSource" in window)) return null;
    const { variants, audio, subtitles } = await readMaster(url);
    const plays = ({ codecs }) => codecs && MediaSource.isTypeSupported(`video/mp4; codecs="${codecs}"`);
    const usable = variants.filter(plays).sort((a, b) => a.bandwidth - b.bandwidth);
    if (usable.length === 0) return null;
    for (const variant of usable) variant.list = await readMedia(variant.url);
    const sounds = audio.filter((one) => one["GROUP-ID"] === usable[0].group);
    // The one that is heard first stands first.
    sounds.sort((a, b) => Number(b.DEFAULT === "YES") - Number(a.DEFAULT === "YES"));
    const soundList = sounds.length > 0 ? await readMedia(sounds[0].url) : null;
    const lists = [...usable.map((variant) => variant.list), ...(soundList ? [soundList] : [])];
    if (lists.some((list) => !list.init || list.encrypted)) return null;
    return new Player(video, say, { variants: usable, sounds, sound: soundList, subtitles });
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
      this.say(`Playback stopped: ${error.message}`);
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

  // Goes over to another sound at once.
  async hear(entry) {
    const list = await readMedia(entry.url);
    const track = this.tracks.find((one) => one !== this.picture);
    track.list = list;
    track.stale = true;
    this.video.dataset.sound = entry.NAME;
    await this.run();
  }

  // Offers what there is to choose from.
  offer() {
    const renditions = ["automatic", ...this.variants.map(describe)];
    menu("quality", this.variants.length > 1 ? renditions : [], (at) => {
      this.chosen = at === 0 ? null : at - 1;
      this.picture.stale = this.best() !== this.playing;
      this.run();
    });
    menu("sound", this.sounds.map((one) => one.NAME), (at) => {
      this.hear(this.sounds[at]).catch((error) => this.say(`This audio cannot be played: ${error.message}`));
    });
    offerCaptions(this.video, this.subtitles);
  }
}

// A menu of what is called `names`, where that is a choice.
function menu(id, names, choose) {
  const select = document.getElementById(id);
  const option = (text, at) => Object.assign(document.createElement("option"), { textContent: text, value: String(at) });
  select.replaceChildren(...names.map(option));
  document.getElementById(`${id}-label`).hidden = names.length < 2;
  select.addEventListener("change", () => choose(Number(select.value)));
}

const describe = ({ resolution, bandwidth }) => `${resolution.replace("x", "×") || "sound"} · ${(bandwidth / 1e6).toFixed(1)} Mbit/s`;

async function start() {
  const video = document.getElementById("video");
  if (!video?.dataset.hls || video.dataset.by) return;
  video.dataset.by = "none";
  const status = document.getElementById("player-status");
  const say = (text) => { status.textContent = text; };
  const address = new URL(video.dataset.hls, location.href).href;
  const player = await Player.of(video, address, say).catch(() => null);
  if (player) {
    video.dataset.by = "script";
    video.replaceChildren();
    player.offer();
    await player.start();
  } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
    video.dataset.by = "browser";
    video.src = address;
    say("HLS, played by the browser");
  } else {
    say("This browser cannot play this HLS package; choose one of the renditions.");
  }
}

start();
document.addEventListener("swapped", start);
