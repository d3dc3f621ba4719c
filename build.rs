//! Tells the worker which FFmpeg it is built against: what libav keeps where has moved over the years.

fn main() {
    println!("cargo:rustc-check-cfg=cfg(ffmpeg_6_1)");
    println!("cargo:rerun-if-changed=build.rs");
    // ffmpeg-sys-next leaves `true` there from FFmpeg 6.1 on.
    if std::env::var("DEP_FFMPEG_FFMPEG_6_1").is_ok_and(|since| since == "true") {
        println!("cargo:rustc-cfg=ffmpeg_6_1");
    }
}
