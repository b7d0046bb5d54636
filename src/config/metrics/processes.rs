//! An item of `procstat`: by what its processes are found, and what they are called.
use super::{
    Context, measurements,
    plugins::{rhythm, source},
};
use crate::{
    config::{
        measurements::Table,
        pattern,
        section::Section,
        settings::metrics::{Expression, Measurements, Options, Plugin, ProcessSelector},
    },
    platform::host::{self, System},
};

/// The keys of which an item has one.
const SELECTORS: [&str; 4] = ["pid_file", "exe", "pattern", "systemd_unit"];

/// One item of `procstat`. What is wrong with it was reported.
pub(super) fn procstat(item: &Section<'_>, context: &Context) -> Option<Plugin> {
    let table = Table::find("procstat").expect("a table of ours");
    // One without was reported as that, whatever else there is in it.
    SELECTORS.iter().find(|key| item.has(key))?;
    let by = selector(item);
    let mut wanted = measurements::of_table(item, table);
    if let Some(count) = wanted.iter_mut().find(|measurement| &*measurement.field == "pid_count") {
        // The agent's own odd name: it comes from another of its inputs.
        count.name = count.name.replacen("procstat", "procstat_lookup", 1);
    }
    let (interval, resolution) = rhythm(item, context);
    let name = item.child("process_name").text().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let plugin = Plugin {
        at: item.at.clone(),
        key: table.key,
        dimensions: source(item, &wanted, table),
        measurements: Measurements::These(wanted.clone()),
        interval,
        resolution,
        options: Options::Procstat { by: by?, name },
    };
    (!wanted.is_empty()).then_some(plugin)
}

/// The first of these that is there, as the agent chooses; ours last.
fn selector(item: &Section<'_>) -> Option<ProcessSelector> {
    let text = |key: &str| item.child(key).text().map(str::to_owned);
    if let Some(path) = text("pid_file") {
        return Some(ProcessSelector::PidFile(path));
    }
    if item.has("exe") {
        return expression(&item.child("exe")).map(ProcessSelector::Exe);
    }
    if item.has("pattern") {
        let pattern = item.child("pattern");
        let compiled = if host::SYSTEM == System::Windows { like(&pattern) } else { expression(&pattern) };
        return compiled.map(ProcessSelector::Pattern);
    }
    let unit = item.child("systemd_unit");
    let name = unit.text().filter(|name| !name.is_empty())?;
    if host::SYSTEM != System::Linux {
        unit.warning(format!("not available on {}; ignored", host::SYSTEM.name()));
        return None;
    }
    if name.contains('/') {
        unit.error("is no name of a systemd unit: these have no slash, `systemctl` lists them");
        return None;
    }
    Some(ProcessSelector::SystemdUnit(name.to_owned()))
}

/// A regular expression that is found anywhere in the text.
fn expression(section: &Section<'_>) -> Option<Expression> {
    Some(Expression { text: section.verbatim()?.to_owned(), regex: pattern::pattern(section)? })
}

/// What the agent's patterns are on Windows.
fn like(section: &Section<'_>) -> Option<Expression> {
    let text = section.verbatim()?;
    let regex = pattern::compiled(&as_expression(text)).map_err(|error| section.error(error)).ok()?;
    Some(Expression { text: text.to_owned(), regex })
}

/// The same as a regular expression: `%` is any text, `_` any character, and `[...]` one of a set or, with `^`, one of all others. The
/// whole text must be so, in upper or lower case. <https://learn.microsoft.com/windows/win32/wmisdk/like-operator>
fn as_expression(like: &str) -> String {
    let mut expression = "(?is)^".to_owned();
    let mut rest = like;
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '%' => expression += ".*",
            '_' => expression += ".",
            // A bracket that is not closed stands for itself.
            '[' if rest.find(']').is_some_and(|end| !matches!(&rest[..end], "" | "^")) => {
                let (set, behind) = rest.split_once(']').expect("found above");
                let (begin, set) = set.strip_prefix('^').map_or(("[", set), |set| ("[^", set));
                expression += begin;
                for c in set.chars() {
                    if !(c.is_alphanumeric() || c == '-') {
                        expression.push('\\');
                    }
                    expression.push(c);
                }
                expression.push(']');
                rest = behind;
            }
            other => expression += &regex::escape(other.encode_utf8(&mut [0; 4])),
        }
    }
    expression + "$"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(like: &str, text: &str) -> bool {
        pattern::compiled(&as_expression(like)).expect(like).is_match(text.as_bytes())
    }

    #[test]
    fn a_pattern_of_windows_is_the_whole_text_in_any_case() {
        assert!(takes("%nginx.exe%", r#""C:\nginx\NGINX.EXE" -g x"#));
        assert!(takes("a_c", "aBc") && !takes("a_c", "ac") && !takes("a_c", "xabc"));
        assert!(takes("100[%]", "100%") && !takes("100[%]", "1000"));
        assert!(takes("[a-c]x", "bx") && !takes("[^a-c]x", "bx") && takes("[^a-c]x", "dx"));
        assert!(takes("%a%", "x\na\ny"), "over several lines");
    }

    #[test]
    fn whatever_stands_in_a_pattern_of_windows_compiles() {
        for like in
            ["", "[", "[]", "[^]", "a[b", r"C:\(x86)\a.b*c+d?{2}|^$#&~", "[]]", r"[\d]", "[a&&b]", "[[a]", "é_ü"]
        {
            assert!(takes(like, like) || like.starts_with('[') || like.contains('_'), "{like}");
        }
        assert!(takes(r"C:\%(x86)%", r"C:\Program Files (x86)\x"));
        assert!(!takes(r"[\d]", "5") && takes(r"[\d]", "d") && takes(r"[\d]", r"\"));
    }
}
