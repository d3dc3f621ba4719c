//! Watermarks: pictures, films and text, where and when they show.

use reelmill::model::work::{Border, Color, OverlayText, RateControl};

use super::*;

const RED: [u8; 3] = [254, 0, 0];
const GREEN: [u8; 3] = [0, 254, 0];
const BLUE: [u8; 3] = [0, 0, 254];
const BLACK: [u8; 3] = [0, 0, 0];

fn image(input: usize) -> Overlay {
    Overlay {
        content: OverlayContent::Image { input },
        position: ReferencePosition::TopLeft,
        dx: Length::Pixels(0),
        dy: Length::Pixels(0),
        width: Some(Length::Pixels(40)),
        height: Some(Length::Pixels(20)),
        opacity: 1.0,
        start_s: 0.0,
        duration_s: None,
    }
}

fn words(text: &str) -> OverlayText {
    OverlayText {
        text: text.to_owned(),
        font: None,
        font_size: 40,
        adaptive: false,
        color: Color::new(255, 255, 255),
        border: None,
    }
}

fn written(text: OverlayText, position: ReferencePosition) -> Overlay {
    Overlay { content: OverlayContent::Text(text), position, width: None, height: None, ..image(0) }
}

/// A black film with these over it, nearly lossless.
fn marked(source: &str, inputs: &[&Path], overlays: Vec<Overlay>) -> Trial {
    let clip = lavfi(&[source], &["-preset", "ultrafast"], "a.mkv");
    let rate_control = RateControl::Crf { crf: 4.0, maxrate_bps: None, bufsize_bits: None };
    let mut output = media_output("out.mp4", VideoEncode { rate_control, ..encoded() });
    if let Output::Media(media) = &mut output {
        media.overlays = overlays;
    }
    Trial::with(&[&[&*clip], inputs].concat(), &[output])
}

const DARK: &str = "color=black:d=3:r=10:s=320x180";

/// Left, top, right and bottom of what is brighter than black in the first frame.
fn ink(trial: &Trial, width: usize) -> (usize, usize, usize, usize) {
    let grey = trial.grey("out.mp4");
    let lit: Vec<(usize, usize)> =
        (0..grey.len()).filter(|&at| grey[at] > 60).map(|at| (at % width, at / width)).collect();
    let (x, y) = (lit.iter().map(|p| p.0), lit.iter().map(|p| p.1));
    (x.clone().min().unwrap(), y.clone().min().unwrap(), x.max().unwrap(), y.max().unwrap())
}

#[test]
fn films_play_from_their_start_and_again_at_their_end() {
    // Half a second red, half a second blue.
    let film = "color=red:d=0.5:r=10:s=40x20[a];color=blue:d=0.5:r=10:s=40x20[b];[a][b]concat";
    let gif = generate(&["-filter_complex", film, "-pix_fmt", "rgb8", "-loop", "-1"], "film.gif");
    let apng = generate(&["-filter_complex", film, "-f", "apng", "-pix_fmt", "rgb24", "-plays", "1"], "film.png");
    let mov = generate(&["-filter_complex", &format!("{film},format=rgba"), "-c:v", "qtrle"], "film.mov");
    for film in [&gif, &apng, &mov] {
        let trial = marked(DARK, &[film], vec![Overlay { start_s: 0.7, duration_s: Some(1.8), ..image(1) }]);
        for (frame, colour) in [
            (5, BLACK),
            (6, BLACK),
            (7, RED),
            (11, RED),
            (12, BLUE),
            (16, BLUE),
            (17, RED),
            (21, RED),
            (22, BLUE),
            (24, BLUE),
            (25, BLACK),
            (29, BLACK),
        ] {
            let seen = trial.colour_of("out.mp4", frame, (8, 4, 24, 12));
            assert!(is_near(seen, colour), "{}: frame {frame} is {seen:?}", film.display());
        }
        assert_eq!(trial.made.media().video[0].frames, Some(30));
    }
}

#[test]
fn a_film_that_goes_on_adds_no_picture_to_the_end() {
    let films = ["apng", "gif"].map(|format| {
        lavfi(
            &["testsrc2=d=1:r=10:s=40x20"],
            &["-f", format, "-pix_fmt", if format == "gif" { "rgb8" } else { "rgb24" }],
            format,
        )
    });
    for film in &films {
        let trial = marked(DARK, &[film], vec![image(1)]);
        let video = &trial.made.media().video[0];
        assert_eq!(video.frames, Some(30), "{}", film.display());
        assert!(trial.times("out.mp4", "v").iter().all(|&time| time < 2.95), "{}", film.display());
        // To its last picture.
        assert_ne!(trial.colour_of("out.mp4", 29, (0, 0, 40, 20)), BLACK);
    }
}

#[test]
fn films_keep_their_transparency() {
    // The left half is red, the right half lets half of the white below through.
    let film = "color=red@0.99:d=0.3:r=10:s=40x20,format=rgba,geq=r=255:g=0:b=0:a='if(lt(X,20),255,128)'";
    let mov = lavfi(&[film], &["-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"], "film.mov");
    let png = lavfi(&[film], &["-f", "apng", "-pix_fmt", "rgba"], "film.png");
    let webm = lavfi(&[film], &["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-b:v", "1M"], "film.webm");
    for film in [&mov, &png, &webm] {
        let trial = marked("color=white:d=1:r=10:s=320x180", &[film], vec![image(1)]);
        for frame in [0, 7] {
            let left = trial.colour_of("out.mp4", frame, (4, 4, 12, 12));
            let right = trial.colour_of("out.mp4", frame, (24, 4, 12, 12));
            let name = film.display();
            assert!(is_near(left, RED) && is_near(right, [254, 127, 127]), "{name}: {left:?} {right:?}");
        }
    }
}

#[test]
fn a_film_runs_on_over_a_pause_of_the_video() {
    // Frames almost an hour apart: nothing of the film in between is needed.
    let film = "color=red:d=0.5:r=10:s=40x20[a];color=blue:d=0.5:r=10:s=40x20[b];[a][b]concat";
    let gif = generate(&["-filter_complex", film, "-pix_fmt", "rgb8"], "film.gif");
    let source = "color=black:r=10:d=0.3:s=320x180,setpts='if(eq(N,2),3000.7,N/10)/TB'";
    let trial = marked(source, &[&gif], vec![image(1)]);
    let seen = [0, 2].map(|frame| trial.colour_of("out.mp4", frame, (8, 4, 24, 12)));
    assert!(is_near(seen[0], RED) && is_near(seen[1], BLUE), "{seen:?}");
}

#[test]
fn text_stands_where_it_is_told_to() {
    let (width, height) = (320, 180);
    let place = |position| {
        let overlay = Overlay { dx: Length::Pixels(10), dy: Length::Ratio(0.1), ..written(words("Reel"), position) };
        ink(&marked(DARK, &[], vec![overlay]), width)
    };
    let near = |one: usize, other: usize| one.abs_diff(other) <= 2;
    let (left, top, right, bottom) = place(ReferencePosition::TopLeft);
    assert!(near(left, 10) && near(top, 18), "{left} {top}");
    let (wide, high) = (right - left, bottom - top);
    assert!((70..110).contains(&wide) && (25..45).contains(&high), "{wide}x{high}");
    let (_, _, right, bottom) = place(ReferencePosition::BottomRight);
    assert!(near(right, width - 11) && near(bottom, height - 19), "{right} {bottom}");
    let (left, top, right, _) = place(ReferencePosition::Center);
    assert!(
        near(usize::midpoint(left, right), width / 2 + 10) && near(top, height / 2 + 18 - high / 2),
        "{left} {right} {top}"
    );
}

#[test]
fn text_has_its_colours_and_shows_in_its_time() {
    let text = OverlayText {
        color: Color::new(255, 0, 0),
        border: Some(Border { width: 6, color: Color::new(0, 255, 0) }),
        font_size: 120,
        font: Some("no such family".to_owned()),
        ..words("▬")
    };
    let overlay = Overlay { start_s: 1.0, duration_s: Some(1.0), ..written(text.clone(), ReferencePosition::TopLeft) };
    let trial = marked(DARK, &[], vec![overlay]);
    // The middle of the bar, and the line above it.
    let (left, top, right, bottom) = {
        let always = marked(DARK, &[], vec![written(text.clone(), ReferencePosition::TopLeft)]);
        ink(&always, 320)
    };
    assert!(left <= 1 && top <= 1, "{left} {top}");
    let pixel = |x: usize, y: usize| (u32::try_from(x).unwrap() & !1, u32::try_from(y).unwrap() & !1, 2, 2);
    let (inside, edge) = (pixel(right / 2, bottom / 2), pixel(right / 2, 2));
    for (frame, colours) in [(9, [BLACK, BLACK]), (10, [RED, GREEN]), (19, [RED, GREEN]), (20, [BLACK, BLACK])] {
        let seen = [inside, edge].map(|at| trial.colour_of("out.mp4", frame, at));
        assert!(is_near(seen[0], colours[0]) && is_near(seen[1], colours[1]), "{frame}: {seen:?}");
    }
    let faint = Overlay { opacity: 0.5, ..written(text, ReferencePosition::TopLeft) };
    let seen = marked(DARK, &[], vec![faint]).colour("out.mp4", inside);
    assert!(is_near(seen, [127, 0, 0]), "{seen:?}");
}

#[test]
fn hostile_texts_are_drawn_and_nothing_else_happens_and_twenty_at_once() {
    let strings = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/media/attack/watermark_strings.txt");
    let strings = String::from_utf8_lossy(&std::fs::read(strings).unwrap()).into_owned();
    let mut texts: Vec<&str> = strings.lines().collect();
    texts.extend([r"':%{}\[]", "${object.key}", "a\\", "%", "'", "a=b:c=d,e;f"]);
    texts.resize(20, "twenty");
    let overlays = texts.iter().enumerate().map(|(n, text)| Overlay {
        dy: Length::Pixels(u32::try_from(n * 9).unwrap()),
        ..written(OverlayText { font_size: 8, ..words(text) }, ReferencePosition::TopLeft)
    });
    let trial = marked("color=black:d=0.3:r=10:s=320x180", &[], overlays.collect());
    let video = &trial.made.media().video[0];
    assert_eq!((video.width, video.height, video.frames), (320, 180, Some(3)));
    let grey = trial.grey("out.mp4");
    for (n, text) in texts.iter().enumerate() {
        let line = &grey[320 * n * 9..320 * (n * 9 + 9)];
        assert!(line.iter().any(|&level| level > 60), "{text:?} does not show");
    }
}

#[test]
fn a_text_that_says_nothing_is_left_out_with_a_warning() {
    let trial = marked(DARK, &[], vec![written(words(" \u{7} "), ReferencePosition::TopLeft)]);
    assert_eq!(trial.made.warnings()[0].0, "MEDIA0107");
    assert!(trial.grey("out.mp4").iter().all(|&level| level < 5));
}
