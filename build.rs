//! Tells the worker which FFmpeg it is built against: what libav keeps where has moved over the years.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for since in ["6_1", "7_0"] {
        println!("cargo:rustc-check-cfg=cfg(ffmpeg_{since})");
        // ffmpeg-sys-next leaves `true` there from that version of FFmpeg on.
        if std::env::var(format!("DEP_FFMPEG_FFMPEG_{since}")).is_ok_and(|value| value == "true") {
            println!("cargo:rustc-cfg=ffmpeg_{since}");
        }
    }
}
