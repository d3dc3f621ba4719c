//! What players offer to choose from: sound and subtitles, by name and language.
//!
//! **Invariant**: pure; names within a menu differ, and exactly one sound is the default.

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

/// Sounds that players change between without being asked, one for each entry of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// Tracks of audio alone, by their place among those, with what the menu says of each.
    pub members: Vec<(usize, Entry)>,
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
/// several. Every group has every entry of the menu; what it lacks comes from another.
#[must_use]
pub fn groups(tracks: &[(&Track, &str)]) -> Vec<Group> {
    let mut heard: Vec<Heard> = Vec::new();
    for (track, codecs) in tracks {
        let Some(mut sound) = self::heard(track, codecs) else { continue };
        let twin = |other: &&Heard| other.folder == sound.folder && other.identity.0 == sound.identity.0;
        sound.identity.1 = heard.iter().filter(twin).count();
        heard.push(sound);
    }
    let mut entries: Vec<(Identity, Entry)> = Vec::new();
    for sound in &heard {
        if !entries.iter().any(|(identity, _)| *identity == sound.identity) {
            entries.push((sound.identity.clone(), sound.entry.clone()));
        }
    }
    let default = entries.iter().position(|(_, entry)| entry.default).unwrap_or(0);
    for (place, (_, entry)) in entries.iter_mut().enumerate() {
        entry.default = place == default;
    }
    let mut named: Vec<Entry> = entries.iter().map(|(_, entry)| entry.clone()).collect();
    distinguish(&mut named);
    let mut kinds: Vec<&(String, u16)> = Vec::new();
    for sound in &heard {
        if !kinds.contains(&&sound.kind) {
            kinds.push(&sound.kind);
        }
    }
    let mut groups = Vec::new();
    for kind in kinds {
        let ladders: Vec<Vec<usize>> = entries.iter().map(|(identity, _)| ladder(&heard, kind, identity)).collect();
        let tiers = ladders.iter().map(Vec::len).max().unwrap_or(0);
        for tier in 0..tiers {
            let members = ladders.iter().zip(&named).zip(&entries).filter_map(|((ladder, entry), (identity, _))| {
                let own = ladder.get(tier).or(ladder.last()).copied();
                let other = || heard.iter().position(|sound| sound.identity == *identity);
                Some((own.or_else(other)?, entry.clone()))
            });
            groups.push(Group { id: format!("audio-{}", groups.len() + 1), members: members.collect() });
        }
    }
    groups
}

/// What tells one sound from another: language and title, and its place among those of one rendition that have the same.
type Identity = ((Option<String>, Option<String>), usize);

struct Heard {
    folder: String,
    kind: (String, u16),
    identity: Identity,
    entry: Entry,
    average_bps: u64,
}

fn heard(track: &Track, codecs: &str) -> Option<Heard> {
    let audio: &AudioStream = track.audio.as_ref()?;
    let language = language(audio.language.as_deref());
    Some(Heard {
        kind: (codecs.to_owned(), audio.channels),
        folder: track.folder.clone(),
        identity: ((language.clone(), audio.title.clone()), 0),
        entry: Entry {
            name: name(audio.title.as_deref(), language.as_deref(), "Audio"),
            language,
            default: audio.default,
        },
        average_bps: bandwidth::average(&track.sizes()),
    })
}

/// Sounds of one kind and entry, the best first.
fn ladder(heard: &[Heard], kind: &(String, u16), identity: &Identity) -> Vec<usize> {
    let same = |place: &usize| heard[*place].kind == *kind && heard[*place].identity == *identity;
    let mut ladder: Vec<usize> = (0..heard.len()).filter(same).collect();
    ladder.sort_by_key(|place| std::cmp::Reverse(heard[*place].average_bps));
    ladder
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
