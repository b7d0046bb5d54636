//! How an error is told in one line: in our own log, on the board, and in what the daemon ends with.
use std::error::Error;

/// An error with everything under it, outermost first. What the line says already is not said again: libraries often repeat
/// their cause in their own text.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    chain_without(error, &[])
}

/// The same without layers whose whole text is one of `noise`.
pub fn chain_without(error: &(dyn Error + 'static), noise: &[&str]) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !line.contains(&text) && !noise.contains(&text.as_str()) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&text);
        }
        next = error.source();
    }
    line
}

/// What stays the same of a line while its cause does: its words without those that hold a digit. Seconds, dates and the ids
/// of requests differ from one attempt to the next, and are no news.
pub fn gist(line: &str) -> String {
    let words = line.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("{said}")]
    struct Layer {
        said: &'static str,
        source: io::Error,
    }

    fn layer(said: &'static str) -> Layer {
        Layer { said, source: io::Error::other("connection refused") }
    }

    #[test]
    fn the_chain_is_one_line_without_repetitions() {
        assert_eq!(chain(&layer("not reached")), "not reached: connection refused");
        assert_eq!(chain(&layer("not reached: connection refused")), "not reached: connection refused");
        assert_eq!(chain(&layer("connection refused by the proxy")), "connection refused by the proxy");
    }

    #[test]
    fn a_number_that_changes_is_no_new_cause() {
        let skewed = |seconds| gist(&format!("refused: the clock differs by {seconds} seconds (request 7f-{seconds})"));
        assert_eq!(skewed(601), skewed(602));
        assert_ne!(skewed(601), gist("refused: the keys are unknown"));
    }

    #[test]
    fn layers_that_say_nothing_are_left_out() {
        assert_eq!(chain_without(&layer("dispatch failure"), &["dispatch failure", ""]), "connection refused");
    }
}
