//! What libav's mixing matrix does to the level of sound.
#![expect(unsafe_code, reason = "ffmpeg-next does not wrap the building of a mixing matrix")]

use std::ffi::CString;
use std::ptr;

use ffmpeg_next::ffi;

/// Most that one channel of `to` gets of all channels of `from` together, by libav's mixing matrix; 1 where it mixes
/// nothing, or cannot.
#[must_use]
pub fn mixed_peak(from: &str, to: &str) -> f64 {
    const MOST: usize = 64;
    const LEVEL: f64 = std::f64::consts::FRAC_1_SQRT_2;
    let (Ok(from), Ok(to)) = (CString::new(from), CString::new(to)) else { return 1.0 };
    let mut matrix = vec![0.0; MOST * MOST];
    // SAFETY: layouts are filled in from terminated names and released; the matrix has room for 64 rows of 64.
    let (inputs, outputs) = unsafe {
        let (mut source, mut target) = (std::mem::zeroed(), std::mem::zeroed());
        let known = ffi::av_channel_layout_from_string(&raw mut source, from.as_ptr()) >= 0
            && ffi::av_channel_layout_from_string(&raw mut target, to.as_ptr()) >= 0;
        let counts = [&source, &target].map(|layout: &ffi::AVChannelLayout| usize::try_from(layout.nb_channels));
        let [Ok(inputs), Ok(outputs)] = counts else { return 1.0 };
        let fits = known && inputs <= MOST && outputs <= MOST;
        let built = fits
            && ffi::swr_build_matrix2(
                &raw const source,
                &raw const target,
                LEVEL,
                LEVEL,
                0.0,
                f64::from(i32::MAX),
                1.0,
                matrix.as_mut_ptr(),
                MOST.cast_signed(),
                ffi::AVMatrixEncoding::AV_MATRIX_ENCODING_NONE,
                ptr::null_mut(),
            ) >= 0;
        ffi::av_channel_layout_uninit(&raw mut source);
        ffi::av_channel_layout_uninit(&raw mut target);
        if !built {
            return 1.0;
        }
        (inputs, outputs)
    };
    let rows = matrix.chunks_exact(MOST).take(outputs);
    rows.map(|row| row[..inputs].iter().map(|share| share.abs()).sum()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_down_adds_up_and_mixing_nothing_does_not() {
        assert!((mixed_peak("5.1", "stereo") - 2.414).abs() < 0.01);
        assert!((mixed_peak("stereo", "stereo") - 1.0).abs() < 1e-9);
        assert!((mixed_peak("no such layout", "stereo") - 1.0).abs() < 1e-9);
    }
}
