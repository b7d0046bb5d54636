//! What JSON made of a text that somebody wrote otherwise: `\\b` and `\\t` are escapes of JSON before they are anything else.

/// Characters that JSON has short escapes for: the letter of the escape, and what it stands for.
const ESCAPES: [(char, char, &str); 5] = [
    ('\u{8}', 'b', "a backspace"),
    ('\t', 't', "a tab"),
    ('\n', 'n', "a line feed"),
    ('\r', 'r', "a carriage return"),
    ('\u{c}', 'f', "a form feed"),
];

/// What is wrong with a path, and how it was probably meant, as it is written in JSON.
pub fn of_path(path: &str) -> Option<(String, Option<String>)> {
    if let Some((_, letter, what)) = ESCAPES.into_iter().find(|(escaped, ..)| path.contains(*escaped)) {
        let why = format!("has {what} in it, which is what JSON means by `\\{letter}`: write `\\\\` for each `\\`");
        return Some((why, Some(written_twice(path))));
    }
    let trimmed = path.trim();
    (trimmed != path).then(|| {
        let side = if path.starts_with(trimmed) { "ends" } else { "begins" };
        (format!("{side} with a blank, which is part of the name"), Some(trimmed.to_owned()))
    })
}

/// The same of a regular expression. In these a backspace is nothing that anybody looks for; the rest means the same either way.
pub fn of_expression(expression: &str) -> Option<(String, Option<String>)> {
    let why = "looks for a backspace, which is what JSON means by `\\b`: write `\\\\b` for the edge of a word";
    expression.contains('\u{8}').then(|| (why.to_owned(), Some(written_twice(expression))))
}

/// The text as it should be written in JSON: with the escapes taken back.
fn written_twice(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match ESCAPES.into_iter().find(|(escaped, ..)| *escaped == c) {
            Some((_, letter, _)) => written.extend(['\\', '\\', letter]),
            None if c == '\\' => written.push_str("\\\\"),
            None => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_windows_with_single_backslashes_is_told_apart() {
        let (why, meant) = of_path("C:\temp\new.log").expect("a slip");
        assert!(why.contains("a tab") && why.contains(r"`\t`: write `\\`"), "{why}");
        assert_eq!(meant.as_deref(), Some(r"C:\\temp\\new.log"));
        assert_eq!(of_path(r"C:\temp\new.log"), None);
    }

    #[test]
    fn a_blank_at_an_end_of_a_path_is_told() {
        assert_eq!(of_path("/a.log ").and_then(|(_, meant)| meant).as_deref(), Some("/a.log"));
        assert_eq!(of_path("/a b.log"), None);
    }

    #[test]
    fn only_a_backspace_is_a_slip_in_an_expression() {
        let (_, meant) = of_expression("\u{8}ERROR\u{8}").expect("a slip");
        assert_eq!(meant.as_deref(), Some(r"\\bERROR\\b"));
        assert_eq!(of_expression("a\tb"), None);
    }
}
