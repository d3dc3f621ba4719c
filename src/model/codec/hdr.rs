//! Static metadata of high dynamic range, which encoders write beside the pictures.

/// Mastering metadata of high dynamic range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HdrMetadata {
    /// The display that they were made on (SMPTE ST 2086).
    pub display: Option<MasteringDisplay>,
    /// Light level: the brightest pixel, and the brightest picture on average, in cd/m² (CTA-861.3).
    pub light: Option<(u32, u32)>,
}

/// A display that pictures were made on. Chromaticities are CIE 1931 x and y, luminances cd/m².
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MasteringDisplay {
    /// Red.
    pub red: (f64, f64),
    /// Green.
    pub green: (f64, f64),
    /// Blue.
    pub blue: (f64, f64),
    /// White.
    pub white: (f64, f64),
    /// Darkest and brightest.
    pub luminance: (f64, f64),
}

impl MasteringDisplay {
    /// As encoders read it, every number by `number` of its value and its steps per unit.
    pub(super) fn text(&self, number: impl Fn(f64, f64) -> String) -> String {
        const CHROMATICITY: f64 = 50_000.0;
        const LUMINANCE: f64 = 10_000.0;
        let point = |(x, y): (f64, f64)| format!("({},{})", number(x, CHROMATICITY), number(y, CHROMATICITY));
        let (darkest, brightest) = self.luminance;
        format!(
            "G{}B{}R{}WP{}L({},{})",
            point(self.green),
            point(self.blue),
            point(self.red),
            point(self.white),
            number(brightest, LUMINANCE),
            number(darkest, LUMINANCE)
        )
    }
}
