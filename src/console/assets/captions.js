// Subtitles of a package: WebVTT in segments, read once somebody wants to see them.

import { readMedia } from "./playlist.js";

// Ticks of the clock that X-TIMESTAMP-MAP counts in, a second.
const CLOCK_HZ = 90_000;

function seconds(text) {
  const [rest, minutes, hours] = text.trim().split(/\s/, 1)[0].split(":").reverse().map(Number);
  return (hours ?? 0) * 3600 + minutes * 60 + rest;
}

// Cues of a segment, on the clock of picture and sound.
function cuesOf(text) {
  const start = Number(text.match(/^X-TIMESTAMP-MAP=.*MPEGTS:(\d+)/m)?.[1] ?? 0) / CLOCK_HZ;
  const blocks = text.replaceAll("\r\n", "\n").split(/\n{2,}/).map((block) => block.split("\n"));
  return blocks.flatMap((block) => {
    const at = block.findIndex((line) => line.includes("-->"));
    if (at < 0) return [];
    const [from, to] = block[at].split("-->").map((time) => seconds(time) + start);
    return [new VTTCue(from, to, block.slice(at + 1).join("\n").trimEnd())];
  });
}

class Captions {
  constructor(track, url) {
    Object.assign(this, { track, url, isRead: false });
  }

  // From the segment at `time` on, and then what lies before it.
  async read(time) {
    if (this.isRead) return;
    this.isRead = true;
    const { segments } = await readMedia(this.url);
    const here = Math.max(0, segments.findIndex((segment) => time < segment.end));
    // A cue that continues in the next segment is listed there, too.
    const known = new Set();
    for (const { url } of [...segments.slice(here), ...segments.slice(0, here)]) {
      const answer = await fetch(url);
      if (!answer.ok) continue;
      for (const cue of cuesOf(await answer.text())) {
        const what = `${cue.startTime} ${cue.endTime} ${cue.text}`;
        if (!known.has(what)) this.track.addCue(cue);
        known.add(what);
      }
    }
  }
}

// Puts them into the menu of the browser's own controls.
export function offerCaptions(video, subtitles) {
  const all = subtitles.map((entry) => {
    const track = video.addTextTrack("subtitles", entry.NAME, entry.LANGUAGE ?? "");
    track.mode = entry.DEFAULT === "YES" ? "showing" : "disabled";
    return new Captions(track, entry.url);
  });
  const read = () => {
    for (const one of all) if (one.track.mode === "showing") one.read(video.currentTime).catch(() => { one.isRead = false; });
  };
  video.textTracks.addEventListener("change", read);
  read();
}
