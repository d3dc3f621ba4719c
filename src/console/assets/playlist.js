// HLS playlists: what a package has to choose from, and what each choice is made of.

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

export async function readMaster(url) {
  const found = { variants: [], audio: [], subtitles: [] };
  const menus = { AUDIO: found.audio, SUBTITLES: found.subtitles };
  let next = null;
  for (const { line, tag, value } of await lines(url)) {
    if (tag === "#EXT-X-STREAM-INF") {
      next = attributes(value);
    } else if (tag === "#EXT-X-MEDIA") {
      const media = attributes(value);
      if (media.URI) menus[media.TYPE]?.push({ ...media, url: new URL(media.URI, url).href });
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

export async function readMedia(url) {
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
