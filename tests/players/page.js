// One player over one package: it plays to the end, seeks there and back, shows every level, every sound and every text, and
// answers with what was seen and heard. What is right is decided by whoever asked (`test_players.py`).
"use strict";

const WIDTH = 256;
const HEIGHT = 144;
const SQUARES = 16;
// Nothing takes this long unless it hangs.
const HANG_MS = 20000;
// How near to a time a frame counts as the one that was sought; how near it really is, is for others to judge.
const NEAR_S = 0.2;

const video = document.querySelector("video");
const paper = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
const pen = paper.getContext("2d", { willReadFrequently: true });
// What the player complained of.
const said = [];
const scripts = {
  hls: "hls.js/dist/hls.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
  dash: "dashjs/dist/modern/umd/dash.all.debug.js",
  videojs: "video.js/dist/video.js",
};

const complain = (kind) => (...words) => said.push(`${kind}: ${words.map(String).join(" ").slice(0, 400)}`);

// The number that a frame says in black and white squares, the lowest bit first.
function number() {
  pen.drawImage(video, 0, 0, WIDTH, HEIGHT);
  const step = WIDTH / SQUARES;
  const row = pen.getImageData(0, HEIGHT / 2, WIDTH, 1).data;
  let sum = 0;
  for (let bit = 0; bit < SQUARES; bit++) {
    if (row[4 * Math.floor((bit + 0.5) * step)] > 127) sum += 2 ** bit;
  }
  return sum;
}

const event = (target, name) => new Promise((done) => target.addEventListener(name, done, { once: true }));

async function within(promise, what) {
  let timer;
  const late = new Promise((_, fail) => {
    const where = () => `at ${video.currentTime} of ${video.duration}, ready ${video.readyState}`;
    timer = setTimeout(() => fail(new Error(`waited too long for ${what} ${where()}; said: ${said.join("; ")}`)), HANG_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Asks at every repaint until there is an answer.
function until(ask, what) {
  let over = false;
  const asking = new Promise((done) => {
    const again = () => {
      const answer = ask();
      if (answer) done(answer);
      else if (!over) setTimeout(again, 15);
    };
    again();
  });
  return within(asking, what).finally(() => (over = true));
}

const native = () => [...video.textTracks].filter((track) => ["subtitles", "captions"].includes(track.kind));

const players = {
  async hls(url) {
    const log = () => {};
    const debug = { trace: log, debug: log, log, info: log, warn: complain("warn"), error: complain("error") };
    const hls = new Hls({ debug });
    hls.on(Hls.Events.ERROR, (_, data) => {
      // What it was loading when it was told to show something else.
      if (data.details !== Hls.ErrorDetails.INTERNAL_ABORTED) complain("ERROR")(data.type, data.details, data.error?.message ?? "");
    });
    const ready = new Promise((done) => hls.on(Hls.Events.MANIFEST_PARSED, done));
    hls.loadSource(url);
    hls.attachMedia(video);
    await within(ready, "the manifest");
    return {
      levels: () => hls.levels.map((level) => level.height ?? 0),
      use: (place) => (hls.currentLevel = place),
      sounds: () => hls.audioTracks.map((track) => track.lang),
      hear: (place) => (hls.audioTrack = place),
      texts: () => hls.subtitleTracks.map((track) => track.lang),
      read: (place) => ((hls.subtitleTrack = place), (hls.subtitleDisplay = true)),
      tracks: native,
    };
  },

  async shaka(url) {
    const player = new shaka.Player();
    for (const name of ["error", "stalldetected", "gapjumped"]) {
      player.addEventListener(name, (found) => complain(name)(JSON.stringify(found.detail ?? {})));
    }
    await player.attach(video);
    await within(player.load(url), "the manifest");
    const heights = () => [...new Set(player.getVariantTracks().map((track) => track.height ?? 0))].sort((a, b) => a - b);
    return {
      levels: heights,
      use: (place) => {
        player.configure({ abr: { enabled: false } });
        const now = player.getVariantTracks().find((track) => track.active);
        const fits = (track) => (track.height ?? 0) === heights()[place] && track.language === now.language;
        player.selectVariantTrack(player.getVariantTracks().find(fits), true);
      },
      sounds: () => player.getAudioTracks().map((track) => track.language),
      hear: (place) => player.selectAudioTrack(player.getAudioTracks()[place]),
      texts: () => player.getTextTracks().map((track) => track.language),
      read: (place) => player.selectTextTrack(player.getTextTracks()[place]),
      tracks: native,
    };
  },

  async dash(url) {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({ debug: { logLevel: 0 }, streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    const events = dashjs.MediaPlayer.events;
    player.on(events.ERROR, (found) => complain("error")(found.error?.message ?? JSON.stringify(found.error)));
    player.on(events.PLAYBACK_ERROR, () => complain("error")("playback"));
    const ready = new Promise((done) => player.on(events.STREAM_INITIALIZED, done));
    player.initialize(video, url, false);
    await within(ready, "the manifest");
    const kind = video.videoWidth || player.getTracksFor("video").length ? "video" : "audio";
    const levels = () => player.getRepresentationsByType(kind);
    return {
      levels: () => levels().map((level) => level.height ?? 0),
      use: (place) => player.setRepresentationForTypeByIndex(kind, place, true),
      sounds: () => player.getTracksFor("audio").map((track) => track.lang),
      hear: (place) => player.setCurrentTrack(player.getTracksFor("audio")[place]),
      texts: () => player.getTracksFor("text").map((track) => track.lang),
      read: (place) => player.setTextTrack(place),
      tracks: native,
    };
  },

  async videojs(url) {
    const player = videojs(video, { html5: { vhs: { overrideNative: true }, nativeAudioTracks: false, nativeTextTracks: false } });
    for (const kind of ["warn", "error"]) videojs.log[kind] = complain(kind);
    player.on("error", () => complain("error")(player.error()?.message));
    const type = url.endsWith(".mpd") ? "application/dash+xml" : "application/x-mpegURL";
    const ready = event(video, "loadedmetadata");
    player.src({ src: url, type });
    await within(ready, "the manifest");
    const qualities = player.qualityLevels();
    const list = (tracks) => [...Array(tracks.length).keys()].map((place) => tracks[place]);
    const texts = () => list(player.textTracks()).filter((track) => track.kind === "subtitles");
    return {
      levels: () => list(qualities).map((level) => level.height ?? 0),
      // It changes levels by itself alone.
      use: null,
      sounds: () => list(player.audioTracks()).map((track) => track.language),
      hear: (place) => (list(player.audioTracks())[place].enabled = true),
      texts: () => texts().map((track) => track.language),
      read: (place) => (texts()[place].mode = "hidden"),
      tracks: texts,
    };
  },
};

// Plays from where it is to the end, and answers with the times and numbers of the frames that were shown.
async function playToEnd() {
  const shown = [];
  let over = false;
  const look = (_, frame) => {
    if (over) return;
    shown.push([frame.mediaTime, number()]);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const ended = event(video, "ended");
  video.playbackRate = 2;
  await video.play();
  await within(ended, "the end");
  over = true;
  video.playbackRate = 1;
  return { shown, end: video.currentTime };
}

async function seek(time) {
  video.pause();
  const seeked = event(video, "seeked");
  video.currentTime = time;
  await within(seeked, `${time} s`);
}

// The frame at a time: decoders may show it a moment after the seek is over.
async function frameAt(time, frames) {
  await seek(time);
  if (!video.videoWidth) return null;
  const near = () => (Math.abs((frames[number()] ?? -9) - time) < NEAR_S ? [number()] : null);
  return (await until(near, `the frame at ${time} s, which is ${number()}`))[0];
}

function ear() {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaElementSource(video).connect(analyser).connect(context.destination);
  const bins = new Float32Array(analyser.frequencyBinCount);
  return () => {
    analyser.getFloatFrequencyData(bins);
    const most = bins.reduce((best, power, bin) => (power > bins[best] ? bin : best), 0);
    return bins[most] > -60 ? (most * context.sampleRate) / analyser.fftSize : 0;
  };
}

// Plays a sound until the same pitch is heard for a while.
async function pitch(hear, hertz) {
  await seek(1);
  await video.play();
  let heard = 0;
  try {
    await until(() => Math.abs((heard = hear()) - hertz) < 15, `a tone of ${hertz} Hz`);
  } finally {
    video.pause();
  }
  return heard;
}

async function tour(name, url, want) {
  await new Promise((done, fail) => {
    const script = Object.assign(document.createElement("script"), { src: `node_modules/${scripts[name]}`, onload: done });
    script.onerror = () => fail(new Error(`there is no ${script.src}`));
    document.head.append(script);
  });
  console.warn = complain("console");
  const player = await players[name](url);
  await until(() => video.readyState >= 2, "the first frame");
  const found = { levels: [], seeks: [], sounds: {}, cues: {} };
  if (want.texts) {
    player.texts().forEach((_, place) => player.read(place));
  }
  Object.assign(found, await playToEnd(), { duration: video.duration });
  for (const time of want.seeks) found.seeks.push([time, await frameAt(time, want.frames)]);
  const levels = want.levels ? player.levels() : [];
  const switches = player.use && levels.length > 1;
  if (!switches) found.levels = levels;
  for (const [place, height] of switches ? levels.entries() : []) {
    await seek(place % 2 ? 0.5 : 2.5);
    player.use(place);
    await video.play();
    const isThere = () => {
      // Where the player was slower than the film, it gets another round.
      if (video.ended) video.play();
      return video.videoHeight === height;
    };
    await until(isThere, `the level of ${height} lines, there is ${video.videoHeight}`);
    video.pause();
    found.levels.push(video.videoHeight);
  }
  const hear = want.tones ? ear() : null;
  // Sound that is in one file with its picture has no language of its own.
  const only = Object.values(want.tones ?? {})[0];
  for (const [place, language] of player.sounds().entries()) {
    if (!hear) break;
    player.hear(place);
    found.sounds[language] = await pitch(hear, want.tones[language] ?? only);
  }
  if (hear && player.sounds().length === 0) found.sounds[""] = await pitch(hear, only);
  for (const [place, language] of player.texts().entries()) {
    if (!want.texts) break;
    player.read(place);
    await seek(0.2);
    await video.play();
    const cues = () => player.tracks().flatMap((track) => Array.from(track.cues ?? []));
    const texts = () => [...new Set(cues().map((cue) => cue.text))];
    await until(() => want.texts.every((text) => texts().includes(text)), `texts, there are ${texts()}`);
    video.pause();
    found.cues[language] = [...new Set(cues().map((cue) => `${cue.startTime.toFixed(2)} ${cue.endTime.toFixed(2)} ${cue.text}`))];
  }
  return found;
}

window.answer = (name, url, want, done) =>
  tour(name, url, want).then(
    (found) => done({ ...found, said }),
    (error) => done({ failed: `${error?.message ?? JSON.stringify(error)}`, said }),
  );
