//! What players offer to choose from: sound and subtitles, by name and language.
//!
//! **Invariant**: pure; names within a menu differ, and exactly one sound of a group is the default.

use reelmill::model::media::AudioStream;

use super::bandwidth;
use super::track::Track;
use crate::language;

/// Languages as they call themselves.
const NAMES: &[(&str, &str)] = &[
    ("ar", "العربية"),
    ("bg", "Български"),
    ("bn", "বাংলা"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("eu", "Euskara"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("ga", "Gaeilge"),
    ("gl", "Galego"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("id", "Bahasa Indonesia"),
    ("is", "Íslenska"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ko", "한국어"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("ms", "Bahasa Melayu"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("sr", "Српски"),
    ("sv", "Svenska"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ur", "اردو"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
];

/// Something to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its language, as short as it goes.
    pub language: Option<String>,
    /// Whether players take it unless told otherwise.
    pub default: bool,
}

/// `CODECS` and number of channels of a sound.
type Kind = (String, u16);

/// Sounds of one encoding that players change between without being asked, one for each entry of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// `CODECS` and number of channels of most of it.
    pub kind: Kind,
    /// Tracks of audio alone, by their place among those, with what the menu says of each.
    pub members: Vec<(usize, Entry)>,
}

impl Group {
    /// Name of the codec, whatever its profile: `mp4a`.
    #[must_use]
    pub fn family(&self) -> &str {
        family(&self.kind)
    }

    /// Place of the track that players take unless told otherwise.
    #[must_use]
    pub fn default(&self) -> Option<usize> {
        self.members.iter().find(|(_, entry)| entry.default).map(|(place, _)| *place)
    }
}

/// A name for a language or a title; `kind` where there is neither.
#[must_use]
pub fn name(title: Option<&str>, language: Option<&str>, kind: &str) -> String {
    let title = title.map(plain).filter(|title| !title.is_empty());
    let own = language.map(language::tag).and_then(|tag| {
        let primary = tag.split('-').next().unwrap_or_default().to_owned();
        let known = NAMES.iter().find(|(code, _)| *code == primary).map(|(_, name)| (*name).to_owned());
        known.or_else(|| (!["und", "zxx", ""].contains(&primary.as_str())).then_some(tag))
    });
    title.or(own).unwrap_or_else(|| kind.to_owned())
}

/// A language as manifests say it; none where it is said to be unknown.
#[must_use]
pub fn language(language: Option<&str>) -> Option<String> {
    let tag = plain(&language::tag(language?));
    let sound = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (sound && !["und", ""].contains(&tag.as_str())).then_some(tag)
}

/// Makes names differ by counting those that come again.
pub fn distinguish(entries: &mut [Entry]) {
    for place in 1..entries.len() {
        let (before, entry) = entries.split_at_mut(place);
        let own = entry[0].name.clone();
        let mut count = 1;
        while before.iter().any(|other| other.name == entry[0].name) {
            count += 1;
            entry[0].name = format!("{own} {count}");
        }
    }
}

/// Without what attributes of a playlist cannot hold.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '"').collect::<String>().trim().to_owned()
}

/// Groups of `tracks` of audio alone, each with its `CODECS`: by codec and channels, and by quality where a language comes in
/// several. A group has every entry of the menu that is there in its codec; what it lacks comes from another group of that
/// codec. Of other codecs it has nothing: a player that cannot decode one of them would refuse all of it.
#[must_use]
pub fn groups(tracks: &[(&Track, &str)]) -> Vec<Group> {
    let heard: Vec<Heard> = tracks.iter().enumerate().filter_map(|(place, track)| self::heard(place, *track)).collect();
    let (entries, entry_of) = entries(&heard);
    let mut kinds: Vec<&Kind> = Vec::new();
    for sound in &heard {
        if !kinds.contains(&&sound.kind) {
            kinds.push(&sound.kind);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for kind in kinds {
        let of = |number: usize| heard.iter().zip(&entry_of).filter(move |(_, entry)| **entry == number);
        let ladders: Vec<Vec<usize>> =
            (0..entries.len()).map(|number| ladder(of(number).map(|(s, _)| s), kind)).collect();
        let tiers = ladders.iter().map(Vec::len).max().unwrap_or(0);
        for tier in 0..tiers {
            let members = ladders.iter().zip(&entries).enumerate().filter_map(|(number, (ladder, entry))| {
                let own = ladder.get(tier).or(ladder.last()).copied();
                let other = || of(number).find(|(s, _)| family(&s.kind) == family(kind)).map(|(s, _)| s.place);
                Some((own.or_else(other)?, entry.clone()))
            });
            let mut members: Vec<(usize, Entry)> = members.collect();
            let default = members.iter().position(|(_, entry)| entry.default).unwrap_or(0);
            for (number, (_, entry)) in members.iter_mut().enumerate() {
                entry.default = number == default;
            }
            if !groups.iter().any(|group| group.members == members) {
                groups.push(Group { id: format!("audio-{}", groups.len() + 1), kind: kind.clone(), members });
            }
        }
    }
    groups
}

struct Heard {
    place: usize,
    folder: String,
    kind: Kind,
    title: Option<String>,
    entry: Entry,
    average_bps: u64,
}

fn heard(place: usize, (track, codecs): (&Track, &str)) -> Option<Heard> {
    let audio: &AudioStream = track.audio.as_ref()?;
    let language = language(audio.language.as_deref());
    Some(Heard {
        place,
        kind: (codecs.to_owned(), audio.channels),
        folder: track.folder.clone(),
        title: audio.title.clone(),
        entry: Entry {
            name: name(audio.title.as_deref(), language.as_deref(), "Audio"),
            language,
            default: audio.default,
        },
        average_bps: bandwidth::average(&track.sizes()),
    })
}

fn family(kind: &Kind) -> &str {
    kind.0.split('.').next().unwrap_or_default()
}

/// Entries of the menu, one of them the default, and for each sound which of them it is: the same language and title in
/// several renditions, channels or codecs is one. Where codecs differ, titles may, too: they tell of the codec.
fn entries(heard: &[Heard]) -> (Vec<Entry>, Vec<usize>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut entry_of: Vec<usize> = Vec::new();
    for sound in heard {
        let so_far: Vec<(&Heard, usize)> = heard.iter().zip(entry_of.iter().copied()).collect();
        let of = |number: usize| so_far.iter().filter(move |(_, entry)| *entry == number).map(|(other, _)| *other);
        let is_free = |number: &usize| {
            entries[*number].language == sound.entry.language
                && !of(*number).any(|other| other.folder == sound.folder && other.kind == sound.kind)
        };
        let free: Vec<usize> = (0..entries.len()).filter(is_free).collect();
        let has_title = |number: &usize| of(*number).any(|other| other.title == sound.title);
        let is_new_codec = |number: &usize| !of(*number).any(|other| family(&other.kind) == family(&sound.kind));
        let alike = free.iter().find(|number| has_title(number)).copied();
        let retitled = || {
            let mut others = free.iter().filter(|number| is_new_codec(number));
            let first = others.clone().next();
            others.find(|number| entries[**number].default == sound.entry.default).or(first).copied()
        };
        if let Some(number) = alike {
            entry_of.push(number);
        } else if let Some(number) = retitled() {
            entries[number].name = name(None, sound.entry.language.as_deref(), "Audio");
            entry_of.push(number);
        } else {
            entry_of.push(entries.len());
            entries.push(sound.entry.clone());
        }
    }
    let default = entries.iter().position(|entry| entry.default).unwrap_or(0);
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.default = place == default;
    }
    distinguish(&mut entries);
    (entries, entry_of)
}

/// Places of sounds of one kind, the best first.
fn ladder<'a>(heard: impl Iterator<Item = &'a Heard>, kind: &Kind) -> Vec<usize> {
    let mut ladder: Vec<&Heard> = heard.filter(|sound| sound.kind == *kind).collect();
    ladder.sort_by_key(|sound| std::cmp::Reverse(sound.average_bps));
    ladder.into_iter().map(|sound| sound.place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_titles_or_languages() {
        assert_eq!(name(Some("Director's \"cut\"\n"), Some("eng"), "Audio"), "Director's cut");
        assert_eq!(name(None, Some("ger"), "Audio"), "Deutsch");
        assert_eq!(name(None, Some("pt-BR"), "Audio"), "Português");
        assert_eq!(name(None, Some("tlh"), "Audio"), "tlh");
        assert_eq!(name(None, Some("und"), "Audio"), "Audio");
        assert_eq!(language(Some("eng")), Some("en".to_owned()));
        assert_eq!(language(Some("und")), None);
        assert_eq!(language(Some("a\"b")), Some("ab".to_owned()));
    }

    #[test]
    fn names_of_a_menu_differ() {
        let entry = |name: &str| Entry { name: name.into(), ..Entry::default() };
        let mut entries = [entry("English"), entry("English"), entry("English 2"), entry("English")];
        distinguish(&mut entries);
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["English", "English 2", "English 2 2", "English 3"]);
    }
}
