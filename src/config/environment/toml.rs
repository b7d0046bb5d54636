//! As much of TOML as the agent's `common-config.toml` needs: tables, and keys with a text, a number, or true and false. <https://toml.io/en/v1.0.0>
//!
//! What else TOML has (lists, dates, tables in a line, texts over several lines) is told by its place, and not read: a library that does would be
//! larger than all that is read with it.

/// One key with its value.
#[derive(Debug, PartialEq)]
pub struct Pair {
    /// Of the table that it stands in; empty at the top.
    pub table: String,
    pub key: String,
    pub value: Value,
    pub place: Place,
}

/// What a key says. No `Debug` of a text: it may hold the password of a proxy.
#[derive(PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Bool(bool),
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value {
    /// What it is, in words for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(_) => "a number",
            Self::Bool(_) => "true or false",
        }
    }
}

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// Why a text is not read, and where.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub place: Place,
    pub why: &'static str,
}

/// All keys, in the order of the text.
pub fn parse(text: &str) -> Result<Vec<Pair>, Fault> {
    let mut table = String::new();
    let mut pairs: Vec<Pair> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut line = Line { number: index + 1, text: line, rest: line };
        line.skip();
        if line.is_over() {
            continue;
        }
        if line.take('[') {
            if line.rest.starts_with('[') {
                return Err(line.fault("a list of tables is nothing that is read here"));
            }
            line.skip();
            table = line.name()?;
            if !line.take(']') {
                return Err(line.fault("expected `]` behind the name of a table, as in [credentials]"));
            }
        } else {
            let place = line.place();
            let mut path = vec![line.name()?];
            while line.take('.') {
                line.skip();
                path.push(line.name()?);
            }
            if !line.take('=') {
                return Err(line.fault("expected `=` behind a key, as in https_proxy = \"http://proxy:3128\""));
            }
            line.skip();
            let value = line.value()?;
            let key = path.pop().unwrap_or_default();
            if !table.is_empty() {
                path.insert(0, table.clone());
            }
            let table = path.join(".");
            if pairs.iter().any(|pair| (&pair.table, &pair.key) == (&table, &key)) {
                return Err(Fault { place, why: "this key stands here for the second time; keep one of the two" });
            }
            pairs.push(Pair { table, key, value, place });
        }
        line.skip();
        if !line.is_over() {
            return Err(line.fault("expected the end of the line"));
        }
    }
    Ok(pairs)
}

struct Line<'a> {
    number: usize,
    text: &'a str,
    rest: &'a str,
}

impl Line<'_> {
    fn place(&self) -> Place {
        let before = &self.text[..self.text.len() - self.rest.len()];
        Place { line: self.number, column: before.chars().count() + 1 }
    }

    fn fault(&self, why: &'static str) -> Fault {
        Fault { place: self.place(), why }
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn is_over(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// Whether this character comes next; it is passed then.
    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A name, bare or in quotes, and the blanks behind it.
    fn name(&mut self) -> Result<String, Fault> {
        let name = if self.rest.starts_with(['"', '\'']) {
            self.text()?
        } else {
            let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
            let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            if name.is_empty() {
                return Err(self.fault("expected the name of a table or a key"));
            }
            self.rest = rest;
            name.to_owned()
        };
        self.skip();
        Ok(name)
    }

    fn value(&mut self) -> Result<Value, Fault> {
        if self.rest.starts_with(['"', '\'']) {
            return Ok(Value::Text(self.text()?));
        }
        let end = self.rest.find([' ', '\t', '#']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => match word.replace('_', "").parse() {
                Ok(number) => Value::Number(number),
                Err(_) => return Err(self.fault("expected a text in quotes, as in \"http://proxy:3128\", or a number")),
            },
        };
        self.rest = rest;
        Ok(value)
    }

    /// A text in quotes: as it stands in single ones, with escapes in double ones.
    fn text(&mut self) -> Result<String, Fault> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return Err(self.fault("a text in three quotes is nothing that is read here: write it on one line, in one"));
        }
        if self.take('\'') {
            let Some((text, rest)) = self.rest.split_once('\'') else {
                return Err(self.fault("the line ends before the text is closed with `'`"));
            };
            self.rest = rest;
            return Ok(text.to_owned());
        }
        self.take('"');
        let mut text = String::new();
        loop {
            let mut characters = self.rest.chars();
            match characters.next() {
                None => return Err(self.fault("the line ends before the text is closed with `\"`")),
                Some('"') => {
                    self.rest = characters.as_str();
                    return Ok(text);
                }
                Some('\\') => {
                    text.push(self.escape()?);
                    continue;
                }
                Some(character) => text.push(character),
            }
            self.rest = characters.as_str();
        }
    }

    /// What a `\` and the letters behind it stand for.
    fn escape(&mut self) -> Result<char, Fault> {
        const WRONG: &str =
            "a `\\` and this letter are no escape; write `\\\\` for one `\\`, or put the text in single quotes";
        let mut characters = self.rest.chars();
        characters.next();
        let digits = match characters.next() {
            Some('u') => 4,
            Some('U') => 8,
            Some(letter) => {
                let stands_for = match letter {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'f' => '\u{c}',
                    'r' => '\r',
                    '"' => '"',
                    '\\' => '\\',
                    _ => return Err(self.fault(WRONG)),
                };
                self.rest = characters.as_str();
                return Ok(stands_for);
            }
            None => return Err(self.fault(WRONG)),
        };
        let code = characters.as_str().get(..digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        let stands_for = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        let stands_for = stands_for.ok_or_else(|| self.fault(WRONG))?;
        self.rest = &characters.as_str()[digits..];
        Ok(stands_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<(String, String)> {
        let pairs = parse(text).expect("TOML");
        let said = |value| match value {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
        };
        pairs.into_iter().map(|pair| (format!("{}.{}", pair.table, pair.key), said(pair.value))).collect()
    }

    fn refused(text: &str) -> (usize, usize, &'static str) {
        let fault = parse(text).expect_err("no TOML of ours");
        (fault.place.line, fault.place.column, fault.why)
    }

    #[test]
    fn tables_keys_and_comments_are_read_as_the_agent_ships_them() {
        let text = "# This configuration\r\n\n## for all\n[credentials]\r\n   shared_credential_profile = \"me\" # mine\n\
                    #    shared_credential_file = \"x\"\n[ proxy ]\nhttp_proxy='http://p:1'\nno_proxy = \"\"\n[imds]\nimds_retries = 1_0\nx.y=true";
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(
            texts(text),
            [
                pair("credentials.shared_credential_profile", "me"),
                pair("proxy.http_proxy", "http://p:1"),
                pair("proxy.no_proxy", ""),
                pair("imds.imds_retries", "10"),
                pair("imds.x.y", "true"),
            ]
        );
        assert_eq!(parse(text).expect("TOML")[0].place, Place { line: 5, column: 4 });
    }

    #[test]
    fn escapes_count_in_double_quotes_only() {
        let said = texts("a = \"C:\\\\x\\t\\u00e9\\\"#\"\nb = 'C:\\x\\t'\n\"c d\" = \"\\U0001F600\"");
        assert_eq!(
            said.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
            ["C:\\x\t\u{e9}\"#", "C:\\x\\t", "\u{1f600}"]
        );
    }

    #[test]
    fn what_is_not_read_is_told_with_its_place() {
        for (text, line, column, why) in [
            ("a = yes", 1, 5, "expected a text in quotes"),
            ("\na = \"x", 2, 7, "the line ends"),
            ("a = 'x", 1, 6, "the line ends"),
            ("[a", 1, 3, "expected `]`"),
            ("[[a]]", 1, 2, "a list of tables"),
            ("a \"x\"", 1, 3, "expected `=`"),
            ("= 1", 1, 1, "expected the name"),
            ("a = \"x\" y", 1, 9, "expected the end"),
            ("a = \"\\d\"", 1, 6, "no escape"),
            ("a = \"\\uD800\"", 1, 6, "no escape"),
            ("a = \"\\u12", 1, 6, "no escape"),
            ("a = \"\"\"x\"\"\"", 1, 5, "three quotes"),
            ("a = [1]", 1, 5, "expected a text"),
            ("[t]\na = 1\n a = 2", 3, 2, "for the second time"),
        ] {
            let (at, behind, said) = refused(text);
            assert!((at, behind) == (line, column) && said.contains(why), "{text}: {at}:{behind} {said}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}"'=.,:\\\n a0#uU_é-]{0,80}"#) {
            let _ = parse(&text);
        }
    }
}
