//! Filters and overlays: from YAML to work, and refused definitions.

use super::*;
use crate::model::Code;
use crate::model::work::{
    Border, Color, Crop, Deinterlace, Denoise, HdrMode, Length, Overlay, OverlayContent, OverlayText, Pad,
    ReferencePosition, Treatment, Turn,
};

fn codes(video: &str) -> Vec<Code> {
    let text = with(&format!("  a: {{ transcode: {video} }}"));
    compiled(&text).diagnostics.iter().map(|d| d.code).collect()
}

/// The work of an activity whose `${…}` are rendered already.
fn media(activity: &str) -> crate::model::work::MediaOutput {
    use crate::model::work::{Output, Work};
    use crate::template::{self, Files};
    let text = with(&format!("  a: {{ {activity} }}"));
    let plan = workflow(&text).plan;
    let index = plan.find("a").unwrap();
    let spec = crate::yaml::Node::from_json(&plan.graph[index].spec);
    let files = Files { main: "a.mp4".to_owned(), ..Files::default() };
    let (work, _) = template::outputs(plan.graph[index].kind, &spec, &files, 1);
    let Work::Pipeline(pipeline) = work else { panic!("{work:?}") };
    match pipeline.outputs.into_iter().next() {
        Some(Output::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

fn treatment(video: &str) -> Treatment {
    use crate::model::work::Video;
    match media(&format!("transcode: {{ video: {video} }}")).video {
        Some(Video::Encode(encode)) => encode.treatment,
        other => panic!("{other:?}"),
    }
}

#[test]
fn treatments_become_work() {
    assert_eq!(treatment("{}"), Treatment::default());
    let all = treatment(
        "{ deinterlace: off, denoise: light, crop: { x: 10%, width: 0.5, height: 480 }, rotate: 90, \
         pad: { width: 1280, height: 720, y: 20, color: '#ff8000' }, hdr: sdr }",
    );
    assert_eq!(
        all,
        Treatment {
            deinterlace: Deinterlace::Off,
            denoise: Some(Denoise::Light),
            crop: Some(Crop::Region {
                x: Some(Length::Ratio(0.1)),
                y: None,
                width: Some(Length::Ratio(0.5)),
                height: Some(Length::Pixels(480)),
            }),
            rotate: Turn::Quarter,
            pad: Some(Pad { width: 1280, height: 720, x: None, y: Some(20) }),
            pad_color: Color::new(255, 128, 0),
            hdr: HdrMode::Sdr,
        }
    );
    let auto =
        treatment("{ deinterlace: force, crop: auto, fit: pad, width: 640, height: 640, pad: { color: white } }");
    assert_eq!((auto.deinterlace, auto.crop, auto.pad), (Deinterlace::Force, Some(Crop::Auto), None));
    assert_eq!(auto.pad_color, Color::new(255, 255, 255));
    assert_eq!(treatment("{ crop: none, denoise: none, rotate: 0 }"), Treatment::default());
}

#[test]
fn treatments_that_make_no_sense_are_refused() {
    for (video, expected) in [
        ("{ crop: { x: 90%, width: 20% } }", "TPL0205"),
        ("{ crop: { width: 0 } }", "TPL0205"),
        ("{ crop: {} }", "TPL0205"),
        ("{ crop: all }", "TPL0104"),
        ("{ crop: { left: 3 } }", "TPL0101"),
        ("{ rotate: 45 }", "TPL0104"),
        ("{ pad: { width: 640 } }", "TPL0205"),
        ("{ pad: { width: 641, height: 480 } }", "TPL0205"),
        ("{ pad: { width: 640, height: 480, x: 640 } }", "TPL0205"),
        ("{ pad: { color: red } }", "TPL0205"),
        ("{ pad: { width: 640, height: 480, color: redish } }", "TPL0103"),
        ("{ fit: pad, width: 640, height: 480, pad: { width: 640, height: 480 } }", "TPL0205"),
        ("{ deinterlace: yes }", "TPL0104"),
        ("{ denoise: 3 }", "TPL0104"),
        ("{ hdr: 10 }", "TPL0104"),
        ("{ codec: h265, profile: main, hdr: keep }", "TPL0220"),
        ("{ degrain: 3 }", "TPL0105"),
    ] {
        assert_eq!(codes(&format!("{{ video: {video} }}")), [expected], "{video}");
    }
}

#[test]
fn watermarks_become_work() {
    let listed = media(
        "transcode: { watermarks: [ \
           { text: 'a ${object.stem}', font: Serif, font_size: 24, adaptive: true, color: yellow, alpha: 0.6, \
             border: { width: 2 }, position: center, dx: 2%, start: 1s, duration: 3s }, \
           { image: 's3://a/x.gif', dx: 16 }, { image: 's3://a/y.png' }, { image: 's3://a/x.gif', height: 10%, duration: to_end } ] }",
    );
    let images: Vec<_> = listed.overlays.iter().map(|overlay| &overlay.content).collect();
    let text = OverlayText {
        text: "a ${object.stem}".to_owned(),
        font: Some("Serif".to_owned()),
        font_size: 24,
        adaptive: true,
        color: Color::new(255, 255, 0),
        border: Some(Border { width: 2, color: Color::new(0, 0, 0) }),
    };
    assert_eq!(
        listed.overlays[0],
        Overlay {
            content: OverlayContent::Text(text),
            position: ReferencePosition::Center,
            dx: Length::Ratio(0.02),
            dy: Length::Pixels(0),
            width: None,
            height: None,
            opacity: 0.6,
            start_s: 1.0,
            duration_s: Some(3.0),
        }
    );
    // The same picture twice is one input.
    assert_eq!(images[1..], [1, 2, 1].map(|input| OverlayContent::Image { input }).each_ref());
    let own = media("watermark: { text: 2026, opacity: 0.5 }");
    let OverlayContent::Text(text) = &own.overlays[0].content else { panic!("{own:?}") };
    assert_eq!((text.text.as_str(), text.font_size, own.overlays[0].opacity), ("2026", 16, 0.5));
}

#[test]
fn watermarks_are_either_pictures_or_texts_and_at_most_twenty() {
    for (watermark, expected) in [
        ("{ position: center }", "TPL0212"),
        ("{ image: x.png, text: hello }", "TPL0212"),
        ("{ image: x.png, font_size: 20 }", "TPL0212"),
        ("{ image: x.png, alpha: 0.5 }", "TPL0212"),
        ("{ text: hello, width: 10% }", "TPL0212"),
        ("{ text: hello, alpha: 0.5, opacity: 0.5 }", "TPL0212"),
        ("{ text: hello, font_size: 121 }", "TPL0104"),
        ("{ text: hello, font_size: 3 }", "TPL0104"),
        ("{ text: hello, border: { width: 21 } }", "TPL0104"),
        ("{ text: hello, color: '#12' }", "TPL0103"),
        ("{ text: \"a\\0b\" }", "TPL0104"),
        ("{ text: hello, position: middle }", "TPL0104"),
    ] {
        assert_eq!(codes(&format!("{{ watermarks: [{watermark}] }}")), [expected], "{watermark}");
    }
    let many = |count: usize| codes(&format!("{{ watermarks: [{}] }}", vec!["{ text: x }"; count].join(", ")));
    assert_eq!(many(20), Vec::<&str>::new());
    assert_eq!(many(21), ["TPL0104"]);
}
