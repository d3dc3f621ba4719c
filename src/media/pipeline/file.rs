//! The sink of media files: streams that are copied, or filtered and encoded, into one muxer.

use std::thread::{Scope, ScopedJoinHandle};

use ffmpeg_next::Frame;
use reelmill::model::work::{Produced, VideoEncode};

use super::container;
use super::finish;
use super::flow::{Outlets, Stop};
use super::mux::{self, Muxing, Port};
use super::outcome::{Last, Made, Running};
use super::passes::Round;
use super::plan::MediaPlan;
use super::sink::{Needs, Seeks, Sink, SinkContext};
use super::sound::{self, AudioBranch, Sound};
use super::splice::Splice;
use super::stage::{Lay, Step};
use super::streams::VideoTrack;
use super::subtitles::{self, SubtitleBranch, Text};
use super::video::VideoBranch;
use super::wiring::Wiring;
use crate::error::MediaError;
use crate::{raw, scratch};

impl Sink for MediaPlan<'_> {
    fn needs(&self) -> Needs<'_> {
        Needs {
            decoded: self.decoded(),
            copies: self.copies(),
            looks_first: self.looks_first(),
            start_us: self.window.start_us(),
            length_s: self.duration_s,
            seeks: Seeks::Never,
        }
    }

    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        feeds: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError> {
        match round {
            Some(Round { first: true, .. }) => self.start_looking(scope, feeds, context, round),
            _ => self.start_file(scope, feeds, context, round),
        }
    }

    fn check(&self, made: Made, context: SinkContext<'_>) -> Result<Produced, MediaError> {
        match made {
            Made::Media(totals) => finish::check(context.job, self, &totals),
            Made::Produced(_) | Made::Looked => Err(MediaError::Panic("a media file became something else".into())),
        }
    }
}

impl MediaPlan<'_> {
    /// A first pass over the video: encoded, and thrown away.
    fn start_looking<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        wiring: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError> {
        let (ports, mailbox) = mux::ports(1);
        let drain = scope.spawn(move || mailbox.discard());
        let mut branches = Vec::new();
        if let Some((video, Some(encode))) = &self.video
            && let Some(port) = ports.into_iter().next()
        {
            let steps = Step::all(self, video, encode, Lay::new(self, video, context.position)?);
            let pictures = wiring.pictures(&video.track, steps);
            let branch = self.video_branch(video, encode, context, round);
            branches.push(scope.spawn(move || branch.run(&pictures, port)));
        }
        Ok(Running { branches, last: Last::Looking(drain) })
    }

    fn video_branch<'scope>(
        &'scope self,
        source: &VideoTrack,
        encode: &'scope VideoEncode,
        context: SinkContext<'scope>,
        round: Option<Round<'scope>>,
    ) -> VideoBranch<'scope> {
        VideoBranch {
            encode,
            source: source.clone(),
            window: self.window,
            threads: context.job.threads,
            muxer: self.format.muxer,
            position: context.position,
            round,
            file: &self.output.file,
            talk: context.job.talk,
        }
    }

    fn start_file<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        feeds: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError> {
        let lay = |(video, _): &'scope (VideoTrack, _)| Lay::new(self, video, context.position);
        let lay = self.video.as_ref().map(lay).transpose()?.flatten();
        let streams = self.streams();
        let (ports, mailbox) = mux::ports(streams);
        let muxing = Muxing {
            path: scratch::place(context.job.scratch, &self.output.file)?,
            file: &self.output.file,
            format: &self.format,
            window: self.window,
            tags: finish::tags(context.inventory, self.output),
            chapters: finish::chapters(context.inventory, self),
            shows_lead: self.copies_video() && !container::has_edit_lists(&self.format),
            position: context.position,
            talk: context.job.talk,
        };
        let muxer = scope.spawn(move || muxing.run(streams, &mailbox));
        let spliced = self.splice.clone().map(|splice| (splice, Outlets::default(), Outlets::default()));
        let mut starting = Starting { plan: self, scope, feeds, context, spliced, branches: Vec::new() };
        let mut ports = ports.into_iter();
        if let Some((video, encode)) = &self.video
            && let Some(port) = ports.next()
        {
            starting.video(video, *encode, port, lay, round);
        }
        for (sound, port) in self.audio.iter().zip(ports.by_ref()) {
            starting.sound(sound, port);
        }
        for (text, port) in self.subtitles.iter().zip(ports.by_ref()) {
            starting.subtitles(text, port);
        }
        for (picture, port) in self.pictures.iter().zip(ports) {
            starting.feeds.copy(picture, self, port);
        }
        Ok(Running { branches: starting.finish(), last: Last::Muxer(muxer) })
    }
}

/// A thread of a stream.
type Branch<'scope> = ScopedJoinHandle<'scope, Result<(), Stop>>;

/// The streams of a media file while they are started.
struct Starting<'f, 'scope, 'env> {
    plan: &'scope MediaPlan<'scope>,
    scope: &'scope Scope<'scope, 'env>,
    feeds: &'f mut Wiring<'scope>,
    context: SinkContext<'scope>,
    /// Inputs that are put together, and who wants their pictures and sounds.
    spliced: Option<(Splice, Outlets<Frame>, Outlets<Frame>)>,
    branches: Vec<Branch<'scope>>,
}

impl<'scope> Starting<'_, 'scope, '_> {
    fn video(
        &mut self,
        video: &'scope VideoTrack,
        encode: Option<&'scope VideoEncode>,
        port: Port,
        lay: Option<Lay<'scope>>,
        round: Option<Round<'scope>>,
    ) {
        let Some(encode) = encode else { return self.feeds.copy(&video.track, self.plan, port) };
        let (track, steps) = (&video.track, Step::all(self.plan, video, encode, lay));
        let pictures = match &mut self.spliced {
            Some((_, frames, _)) => self.feeds.own_pictures(frames.connect(Wiring::PICTURES), track.time_base, steps),
            None => self.feeds.pictures(track, steps),
        };
        let branch = self.plan.video_branch(video, encode, self.context, round);
        self.branches.push(self.scope.spawn(move || branch.run(&pictures, port)));
    }

    fn sound(&mut self, sound: &'scope Sound<'scope>, port: Port) {
        let Some(encode) = sound.encode else { return self.feeds.copy(&sound.track, self.plan, port) };
        let Some(ports) = self.feeds.share(sound, self.plan, port, self.context.job.talk) else { return };
        let frames = match (sound.silence, &mut self.spliced) {
            (None, Some((_, _, sounds))) => sounds.connect(Wiring::SOUNDS),
            (None, None) => self.feeds.frames(&sound.track, Wiring::SOUNDS),
            (Some(samples), _) => {
                let mut silent = Outlets::default();
                let frames = silent.connect(Wiring::SOUNDS);
                self.branches.push(self.scope.spawn(move || keep_silent(silent, samples)));
                frames
            }
        };
        let branch = AudioBranch {
            encode,
            level: &sound.level,
            track: sound.track.clone(),
            window: sound::window_of(sound, self.plan.window),
            inputs: self.context.inputs,
            muxer: self.plan.format.muxer,
        };
        self.branches.push(self.scope.spawn(move || branch.run(frames, &ports)));
    }

    fn subtitles(&mut self, text: &'scope Text, port: Port) {
        let track = &text.track;
        let Some(encoder) = text.encoder else { return self.feeds.copy(track, self.plan, port) };
        let (packets, window) = match &text.file {
            None => (self.feeds.packets(track), self.plan.window),
            Some(file) => {
                let mut sending = Outlets::default();
                let packets = sending.connect(Wiring::PACKETS);
                let (source, index) = (file.source().clone(), track.index);
                self.branches.push(self.scope.spawn(move || subtitles::send(&source, index, sending)));
                (packets, self.plan.window.on_own_clock(self.plan.origin_us))
            }
        };
        let branch = SubtitleBranch { track: track.clone(), window, encoder };
        self.branches.push(self.scope.spawn(move || branch.run(&packets, port)));
    }

    /// Starts putting inputs together, now that everybody is connected.
    fn finish(mut self) -> Vec<Branch<'scope>> {
        if let Some((splice, pictures, sounds)) = self.spliced {
            let threads = self.context.job.threads;
            self.branches.push(self.scope.spawn(move || splice.send(pictures, sounds, threads)));
        }
        self.branches
    }
}

/// Sends silence.
fn keep_silent(mut frames: Outlets<Frame>, samples: i64) -> Result<(), Stop> {
    sound::silence(0, samples, &mut |frame| {
        let share = || raw::share(&frame).map_err(|source| MediaError::Libav { doing: "share a frame", source });
        Ok(frames.send(share)?)
    })?;
    frames.end();
    Ok(())
}
