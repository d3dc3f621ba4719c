//! What only the pictures of a source tell: whether they are interlaced, whatever their flags say, and black bars.
//!
//! A few places of the source are decoded before work begins. **Invariant**: the cost is bounded whatever the source; a
//! source that cannot be sampled is taken as its headers describe it; doubt leaves the picture alone.

mod bars;
mod fields;
mod samples;

use std::sync::OnceLock;

use self::samples::Samples;
use super::picture::Fields;
use super::streams::VideoTrack;
use crate::geometry::region::Region;
use crate::source::Source;

/// What the pictures of a source tell, found out when somebody asks, and once.
pub struct Survey {
    source: Source,
    duration_s: Option<f64>,
    fields: OnceLock<Fields>,
    bars: OnceLock<Option<Region>>,
}

impl Survey {
    /// Of a source of that duration.
    #[must_use]
    pub const fn new(source: Source, duration_s: Option<f64>) -> Self {
        Self { source, duration_s, fields: OnceLock::new(), bars: OnceLock::new() }
    }

    /// The same for what is put together from several sources: nothing is sampled.
    #[must_use]
    pub fn blind(&self) -> Self {
        Self {
            source: self.source.clone(),
            duration_s: None,
            fields: OnceLock::from(Fields::AsMarked),
            bars: OnceLock::from(None),
        }
    }

    /// What is to become of fields, where its flags say that it is interlaced (`marked`) or not.
    pub fn fields(&self, video: &VideoTrack, marked: bool) -> Fields {
        *self.fields.get_or_init(|| {
            let samples = Samples { source: &self.source, video, duration_s: self.duration_s };
            fields::judge(&samples, marked)
        })
    }

    /// The upright picture without black bars; `None` where there are none.
    pub fn bars(&self, video: &VideoTrack) -> Option<Region> {
        *self.bars.get_or_init(|| {
            let samples = Samples { source: &self.source, video, duration_s: self.duration_s };
            bars::inside(&samples)
        })
    }
}
