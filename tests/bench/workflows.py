"""Whole workflows beside ffmpeg: one command per job, and one command that makes everything from one decode.

A round runs all three sides by turns; medians of processor time, wall time and memory are printed, and what Reelmill takes
in shares of either. Reelmill's side reads, checks and publishes too; ffmpeg's does not.
"""

import shutil
import subprocess

from measuring import measure, medians, ratio

X264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "128k"]
MP4 = ["-movflags", "+faststart"]
# The same curve as Reelmill's tone mapping.
SDR = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:p=bt709:r=tv,format=yuv420p"
)
STILLS, SPRITE = "fps=1,scale=640:360", "fps=1,scale=160:90,tile=5x5"


def rung(height):
    return height * 16 // 9 // 2 * 2, height


def activities(heights, analysis):
    yield f"  probe: {{ analysis: {analysis} }}"
    for width, height in map(rung, heights):
        yield (
            f"  rung{height}: {{ transcode: {{ name: {height}.mp4, video: {{ codec: h264, preset: veryfast, crf: 23, "
            f"width: {width}, height: {height}, fit: none }}, audio: {{ codec: aac, bitrate: 128k }} }} }}"
        )
    yield "  stills: { snapshot: { every: 1s, width: 640, height: 360, name: 'still-####.jpg' } }"
    yield (
        "  sprite: { snapshot: { every: 1s, "
        "sprite: { columns: 5, rows: 5, width: 160, height: 90 }, name: 'sprite-##.jpg' } }"
    )


def hd(fixture, file):
    """18 s of 1080p."""
    return ["-i", fixture, "-vf", "scale=1920:1080", "-c:v", "libx264", "-preset", "veryfast", "-crf", "18",
            "-c:a", "copy", file]


def hdr(fixture, file):
    """10 s of 4K HEVC, 10 bits, HDR10."""
    params = "log-level=error:hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:" \
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    return ["-t", "10", "-i", fixture, "-vf", "scale=3840:2160,format=yuv420p10le", "-c:v", "libx265", "-preset",
            "ultrafast", "-crf", "20", "-x265-params", params, "-color_primaries", "bt2020", "-color_trc", "smpte2084",
            "-colorspace", "bt2020nc", "-tag:v", "hvc1", "-c:a", "copy", file]


# Name: the source, heights of the rungs, what is measured, and what every picture goes through first.
CASES = {
    "ladder": (hd, (1080, 720, 480), "{}", None),
    "ladder-hdr": (
        hdr, (1080, 720, 480, 360),
        "{ loudness: true, black: true, scenes: true, crop: true }",
        SDR,
    ),
}


def chain(*filters):
    return ",".join(one for one in filters if one)


def separate(source, folder, heights, first):
    """One command per job."""
    ffmpeg = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source]
    commands = [["ffprobe", "-v", "error", "-show_streams", "-show_format", source]]
    if first:
        commands.append([*ffmpeg, "-vf", "blackdetect,scdet,cropdetect", "-af", "ebur128=peak=true", "-f", "null", "-"])
    for width, height in map(rung, heights):
        scale = f"scale={width}:{height}:flags=bicubic"
        commands.append([*ffmpeg, "-vf", chain(first, scale), *X264, *AAC, *MP4, folder / f"{height}.mp4"])
    commands.append([*ffmpeg, "-an", "-vf", chain(first, STILLS), folder / "still-%04d.jpg"])
    commands.append([*ffmpeg, "-an", "-vf", chain(first, SPRITE), folder / "sprite-%02d.jpg"])
    return commands


def fused(source, folder, heights, first):
    """One command for everything."""
    count = len(heights) + 2
    graph = [f"[0:v]{chain(first, f'split={count}')}" + "".join(f"[s{n}]" for n in range(count))]
    outputs = []
    for n, (width, height) in enumerate(map(rung, heights)):
        graph.append(f"[s{n}]scale={width}:{height}:flags=bicubic[o{n}]")
        outputs += ["-map", f"[o{n}]", "-map", "0:a", *X264, *AAC, *MP4, folder / f"{height}.mp4"]
    for n, (filters, file) in enumerate(((STILLS, "still-%04d.jpg"), (SPRITE, "sprite-%02d.jpg")), len(heights)):
        graph.append(f"[s{n}]{filters}[o{n}]")
        outputs += ["-map", f"[o{n}]", folder / file]
    if first:
        graph[0] = graph[0].replace("[0:v]", "[0:v]split[m][p];[m]blackdetect,scdet,cropdetect[measured];[p]", 1)
        outputs += ["-map", "[measured]", "-map", "0:a", "-af", "ebur128=peak=true", "-f", "null", "-"]
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-filter_complex", ";".join(graph), *outputs]
    return [["ffprobe", "-v", "error", "-show_streams", "-show_format", source], command]


def run(name, program, fixture, folder, rounds):
    """Measures a case and prints it."""
    make, heights, analysis, first = CASES[name]
    source = folder / "source.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-y", *make(fixture, source)], check=True)
    workflow = folder / "workflow.yaml"
    workflow.write_text(
        "name: bench\noutput: { bucket: made }\nactivities:\n" + "\n".join(activities(heights, analysis)) + "\n"
    )
    made = folder / "made"
    sides = {
        "reelmill": [[program, "run", workflow, source, "--output", made]],
        "separate": separate(source, made, heights, first),
        "fused": fused(source, made, heights, first),
    }

    def side(commands, watch=False):
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        runs = [measure(command, folder, watch) for command in commands]
        return {key: max(run[key] for run in runs) if watch else sum(run[key] for run in runs) for key in runs[0]}

    memory = {name: side(commands, watch=True) for name, commands in sides.items()}
    taken = [{name: side(commands) for name, commands in sides.items()} for _ in range(rounds)]
    answer = {name: medians([one[name] for one in taken]) | memory[name] for name in sides}
    for other in ("separate", "fused"):
        ratios = medians([ratio(one["reelmill"], one[other]) for one in taken])
        answer[f"ratio_{other}"] = ratios | ratio(memory["reelmill"], memory[other])
    print(f"{name}: " + ", ".join(f"{side} {answer[side]['cpu_s']:.1f} s CPU" for side in sides))
    for other in ("separate", "fused"):
        cells = ", ".join(f"{key} {value:.2f}" for key, value in answer[f"ratio_{other}"].items())
        print(f"  reelmill / {other}: {cells}", flush=True)
    # Of the same shape as the single cases.
    answer["ratio"] = answer["ratio_fused"]
    return answer
