use super::*;

fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut lines, mut taken) = (Lines::default(), vec![]);
    let mut take = |line: &[u8]| taken.push(line.to_vec());
    pieces.iter().for_each(|piece| lines.feed(piece, &mut take));
    lines.end(&mut take);
    taken
}

#[test]
fn lines_end_with_lf_or_crlf_and_empty_ones_are_none() {
    assert_eq!(lines(&[b"one\r\n\n\r\ntw", b"o\nthree"]), [&b"one"[..], b"two", b"three"]);
    assert_eq!(lines(&[b"one\r", b"\ntwo\n"]), [&b"one"[..], b"two"]);
}

#[test]
fn a_line_over_the_limit_goes_in_parts_cut_between_characters_and_counts_once() {
    let before = counters::EVENTS_SPLIT.here();
    let text = [&vec![b'x'; MESSAGE_BYTES - 1][..], "é".repeat(MESSAGE_BYTES).as_bytes(), b"\nnext\n"].concat();
    let pieces: Vec<_> = text.chunks(READ).collect();
    let parts = lines(&pieces);
    assert_eq!(parts.len(), 4);
    assert_eq!(parts[..3].concat(), text[..text.len() - 6]);
    assert!(parts.iter().all(|part| part.len() <= MESSAGE_BYTES && std::str::from_utf8(part).is_ok()));
    assert_eq!((parts[0].len(), counters::EVENTS_SPLIT.here() - before), (MESSAGE_BYTES - 1, 1));
}
