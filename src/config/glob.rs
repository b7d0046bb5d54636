//! Patterns of file names, as in `file_path` and `exclude`.
//!
//! | | matches |
//! |---|---|
//! | `*`, `?` | any characters, one character; a leading dot too, never a separator |
//! | `[abc]`, `[a-z]`, `[!a]`, `[^a]` | one character of a class, or not of it; never a separator |
//! | `{a,b}` | either; may hold separators and other braces |
//! | `**` | any characters, separators too: `/var/log/**.log` is every log below, `/a/**/b` has one folder or more between |
//! | `\x` | `x` itself; not on Windows, where `\` separates |
//! | the text of the pattern itself | a file that is called so |
//!
//! A pattern is taken apart once, into one [`Way`] for each choice of its braces: a folder without pattern characters,
//! and what must follow below. A way says of a folder whether anything below it can still match, so that nobody reads
//! folders that cannot hold a match.
use std::path::{Path, PathBuf, is_separator};

/// Around choices, as in `{a,b}`.
const OPEN: char = '{';
const CLOSE: char = '}';

/// Choices that the braces of one pattern may come to.
const MOST_WAYS: usize = 1_000;

/// One pattern, taken apart.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    ways: Vec<Way>,
    /// Written without a separator: it speaks of base names.
    base: bool,
}

/// What is below a folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Below {
    /// Nothing that matches.
    Nothing,
    /// Matches, but only through `**`, which follows no links to folders.
    Real,
    /// Matches, also if the folder is a link.
    Any,
}

/// A folder, and what follows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    root: PathBuf,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Token {
    Char(char),
    Separator,
    /// `?`
    One,
    /// `*`
    Many,
    /// `**`
    Deep,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// How a place in the pattern was reached: without `**` taking a character, or with.
const PLAIN: u8 = 1;
const DEEP: u8 = 2;

/// Whether a path is more than a name.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', OPEN])
}

impl Glob {
    /// # Errors
    /// Why nothing can ever match.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut choices = Vec::new();
        expand(text, &mut choices)?;
        let mut ways = choices.iter().map(|choice| Way::parse(choice)).collect::<Result<Vec<_>, _>>()?;
        // A file may be called as the pattern is written.
        let itself = Path::new(text);
        if let (Some(root), Some(name)) = (itself.parent(), itself.file_name().and_then(|name| name.to_str()))
            && !is_pattern(&root.to_string_lossy())
        {
            ways.push(Way { root: root.to_owned(), tokens: name.chars().map(Token::Char).collect() });
        }
        let mut once: Vec<Way> = Vec::with_capacity(ways.len());
        for way in ways {
            if !once.contains(&way) {
                once.push(way);
            }
        }
        Ok(Self { text: text.to_owned(), ways: once, base: !text.contains(is_separator) })
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Whether a file of this path is meant. A pattern without a separator is asked of the base name.
    pub fn matches(&self, path: &Path) -> bool {
        let path = if self.base { path.file_name().map_or(path, Path::new) } else { path };
        self.ways.iter().any(|way| path.strip_prefix(&way.root).is_ok_and(|rest| way.matches(rest)))
    }
}

impl Way {
    fn parse(choice: &str) -> Result<Self, String> {
        let mut root = PathBuf::new();
        let mut rest = choice;
        // The last component is the name, also where it is plain.
        while let Some(end) = rest.find(is_separator).filter(|end| !is_pattern(&rest[..*end])) {
            let component = &rest[..end];
            if component.is_empty() && root.as_os_str().is_empty() {
                root.push(std::path::MAIN_SEPARATOR_STR);
            } else if component.ends_with(':') {
                root.push(format!("{component}{}", std::path::MAIN_SEPARATOR));
            } else if component.contains('\\') {
                break; // An escape: read below.
            } else if component != "." {
                root.push(component);
            }
            rest = &rest[end + 1..];
        }
        let tokens = tokens(rest)?;
        if tokens.last().is_none_or(|last| *last == Token::Separator) {
            return Err("names a folder: name the files in it".to_owned());
        }
        Ok(Self { root, tokens })
    }

    /// The longest folder without pattern characters; empty for the current one.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the file `rest`, seen from the root, is meant.
    pub fn matches(&self, rest: &Path) -> bool {
        self.places(rest, false)[self.tokens.len()] != 0
    }

    /// What may match below the folder `rest`, seen from the root.
    pub fn below(&self, rest: &Path) -> Below {
        let places = self.places(rest, !rest.as_os_str().is_empty());
        // Behind the last token nothing follows.
        let reached = places[..self.tokens.len()].iter().fold(0, |all, place| all | place);
        match reached {
            0 => Below::Nothing,
            DEEP => Below::Real,
            _ => Below::Any,
        }
    }

    /// How each place in the pattern can be reached with this text.
    fn places(&self, rest: &Path, closed: bool) -> Vec<u8> {
        let mut places = vec![0; self.tokens.len() + 1];
        places[0] = PLAIN;
        self.skip(&mut places);
        let mut next = vec![0; places.len()];
        let mut advance = |c: char| {
            next.fill(0);
            for (index, token) in self.tokens.iter().enumerate().filter(|(index, _)| places[*index] != 0) {
                let by = places[index];
                let fits = match token {
                    Token::Char(wanted) => c == *wanted,
                    Token::Separator => is_separator(c),
                    Token::One => !is_separator(c),
                    Token::Many => {
                        next[index] |= if is_separator(c) { 0 } else { by };
                        false
                    }
                    Token::Deep => {
                        next[index] |= DEEP;
                        false
                    }
                    Token::Class { negated, ranges } => {
                        !is_separator(c) && ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
                    }
                };
                next[index + 1] |= if fits { by } else { 0 };
            }
            std::mem::swap(&mut places, &mut next);
            self.skip(&mut places);
        };
        for chunk in rest.as_os_str().as_encoded_bytes().utf8_chunks() {
            chunk.valid().chars().for_each(&mut advance);
            chunk.invalid().iter().for_each(|_| advance(char::REPLACEMENT_CHARACTER));
        }
        if closed {
            advance(std::path::MAIN_SEPARATOR);
        }
        places
    }

    /// Stars match nothing, too.
    fn skip(&self, places: &mut [u8]) {
        for (index, token) in self.tokens.iter().enumerate() {
            if matches!(token, Token::Many | Token::Deep) {
                places[index + 1] |= places[index];
            }
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        tokens.push(match c {
            c if is_separator(c) => {
                if tokens.last() == Some(&Token::Separator) {
                    continue;
                }
                Token::Separator
            }
            '*' => {
                let more = rest.trim_start_matches('*');
                let deep = more.len() < rest.len();
                rest = more;
                if deep { Token::Deep } else { Token::Many }
            }
            '?' => Token::One,
            '[' => class(&mut rest)?,
            '\\' => {
                let escaped = rest.chars().next().ok_or("ends with a `\\` that nothing follows")?;
                rest = &rest[escaped.len_utf8()..];
                Token::Char(escaped)
            }
            c => Token::Char(c),
        });
    }
    Ok(tokens)
}

/// What follows a `[`, up to its `]`.
fn class(rest: &mut &str) -> Result<Token, String> {
    let negated = rest.starts_with(['!', '^']);
    let mut inside: Vec<char> = Vec::new();
    let mut chars = rest.char_indices().skip(usize::from(negated));
    loop {
        match chars.next() {
            Some((end, ']')) if !inside.is_empty() => {
                *rest = &rest[end + 1..];
                break;
            }
            Some((_, c)) => inside.push(c),
            None => return Err("has a `[` without its `]`".to_owned()),
        }
    }
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&from) = inside.get(at) {
        match (inside.get(at + 1), inside.get(at + 2)) {
            (Some('-'), Some(&to)) => {
                if from > to {
                    return Err(format!("has the range `{from}-{to}`, which is empty"));
                }
                ranges.push((from, to));
                at += 3;
            }
            _ => {
                ranges.push((from, from));
                at += 1;
            }
        }
    }
    Ok(Token::Class { negated, ranges })
}

/// Each choice of the braces.
fn expand(text: &str, out: &mut Vec<String>) -> Result<(), String> {
    let Some((start, end, commas)) = braces(text)? else {
        if out.len() == MOST_WAYS {
            return Err(format!("has braces that come to more than {MOST_WAYS} choices"));
        }
        out.push(text.to_owned());
        return Ok(());
    };
    let mut from = start + 1;
    for to in commas.into_iter().chain([end]) {
        expand(&format!("{}{}{}", &text[..start], &text[from..to], &text[end + 1..]), out)?;
        from = to + 1;
    }
    Ok(())
}

/// The first brace, its partner, and the commas that part its choices.
fn braces(text: &str) -> Result<Option<(usize, usize, Vec<usize>)>, String> {
    let (mut open, mut depth, mut commas, mut class) = (None, 0_usize, Vec::new(), false);
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if !is_separator('\\') => _ = chars.next(),
            '[' if !class => class = text[at..].contains(']'),
            ']' => class = false,
            _ if class => {}
            OPEN => {
                open.get_or_insert(at);
                depth += 1;
            }
            ',' if depth == 1 => commas.push(at),
            CLOSE if depth == 1 => return Ok(open.map(|open| (open, at, commas))),
            CLOSE => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if depth > 0 { Err("has a `{` without its `}`".to_owned()) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        Glob::parse(pattern).expect("a pattern").matches(Path::new(path))
    }

    #[test]
    fn stars_and_question_marks_stay_within_a_name_and_match_leading_dots() {
        assert!(fits("/var/log/*.log", "/var/log/a.log") && fits("/var/log/*.log", "/var/log/.log"));
        assert!(fits("/var/log/*", "/var/log/.hidden") && fits("/var/*/a?c", "/var/x/abc"));
        assert!(!fits("/var/log/*.log", "/var/log/x/a.log") && !fits("/var/log/a?c", "/var/log/a/c"));
        assert!(fits("/ä?", "/äö") && !fits("/*.log", "/a.log.1"));
    }

    #[test]
    fn classes_take_ranges_and_both_signs_of_negation() {
        assert!(fits("/a[0-9]", "/a5") && !fits("/a[0-9]", "/ax") && fits("/a[]x]", "/a]"));
        for pattern in ["/a[!0-9]", "/a[^0-9]"] {
            assert!(fits(pattern, "/ax") && !fits(pattern, "/a5") && !fits(pattern, "/a/"));
        }
    }

    #[test]
    fn braces_are_choices_also_in_folders_nested_and_with_separators() {
        for path in ["/var/log/x", "/var/tmp/x", "/var/tmp/y/x"] {
            assert!(fits("/var/{log,tmp{,/y}}/x", path), "{path}");
        }
        assert!(!fits("/var/{log,tmp}/x", "/var/lib/x"));
        let glob = Glob::parse("/var/{log,tmp}/x").expect("a pattern");
        let roots: Vec<_> = glob.ways().iter().map(Way::root).collect();
        assert_eq!(roots, [Path::new("/var/log"), Path::new("/var/tmp")], "nothing else is ever read");
    }

    #[test]
    fn two_stars_cross_folders_and_between_separators_there_is_one_folder_or_more() {
        assert!(fits("/var/log/**.log", "/var/log/a.log") && fits("/var/log/**.log", "/var/log/x/y.log"));
        assert!(fits("/a/**/b", "/a/x/b") && fits("/a/**/b", "/a/x/y/b") && !fits("/a/**/b", "/a/b"));
        assert!(fits("/a/**", "/a/x/y") && !fits("/a/**/*.log", "/a/b.log"));
    }

    #[test]
    fn a_folder_below_which_nothing_can_match_is_known_as_that() {
        let below = |pattern: &str, folder: &str| Glob::parse(pattern).expect("ok").ways()[0].below(Path::new(folder));
        assert_eq!(below("/l/*.log", ""), Below::Any);
        assert_eq!(below("/l/*.log", "x"), Below::Nothing);
        assert_eq!(below("/l/a*/x.log", "abc"), Below::Any);
        assert_eq!(below("/l/a*/x.log", "bc"), Below::Nothing);
        assert_eq!(below("/l/**.log", "x/y"), Below::Real, "only through `**`: no links to folders");
        assert_eq!(below("/l/a**/b", "c"), Below::Nothing);
        assert_eq!(below("/l/*/**.log", "x"), Below::Any);
    }

    #[test]
    fn a_file_that_is_called_as_the_pattern_is_written_matches() {
        assert!(fits("/var/log/app[1].log", "/var/log/app[1].log") && fits("/var/log/app[1].log", "/var/log/app1.log"));
    }

    #[test]
    fn a_pattern_without_a_separator_is_asked_of_the_base_name() {
        assert!(fits("*.tmp", "/var/log/x.tmp") && !fits("*.tmp", "/var/log/x.log"));
    }

    #[test]
    fn what_can_never_match_is_refused_with_the_reason() {
        let why = |text: &str| Glob::parse(text).expect_err("refused");
        assert!(why("/a/{b,c").contains("`{` without its `}`"));
        assert!(why("/a/[b").contains("`[` without its `]`"));
        assert!(why("/a/[z-a]").contains("`z-a`, which is empty"));
        assert!(why("/a*/").contains("names a folder"));
        assert!(why(&"{a,b}".repeat(12)).contains("more than 1000 choices"));
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_unicode_match_and_a_backslash_takes_a_character_as_it_is() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
        let odd = Path::new("/l").join(OsStr::from_bytes(b"a\xff.log"));
        assert!(Glob::parse("/l/a?.log").expect("ok").matches(&odd));
        assert!(fits(r"/l/a\*", "/l/a*") && !fits(r"/l/a\*", "/l/ab"));
    }
}
