//! The explicit controls of the writing direction. One that stays open changes the text that follows on the page.

const POP_EMBEDDING: char = '\u{202C}';
const POP_ISOLATE: char = '\u{2069}';

/// Returns true if a character opens or closes an embedding, an override or an isolate.
pub(crate) fn is_explicit(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns a line in which every control is paired: closes the open ones at its end, and drops those that close none.
pub(super) fn closed(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    // The closing controls of the open ones, and the number of isolates among them.
    let (mut open, mut isolates) = (Vec::new(), 0_usize);
    for c in line.chars() {
        match c {
            '\u{202A}' | '\u{202B}' | '\u{202D}' | '\u{202E}' => open.push(POP_EMBEDDING),
            '\u{2066}'..='\u{2068}' => {
                open.push(POP_ISOLATE);
                isolates += 1;
            }
            POP_EMBEDDING if open.last() != Some(&c) => continue,
            POP_EMBEDDING => drop(open.pop()),
            POP_ISOLATE if isolates == 0 => continue,
            // The end of an isolate also ends the embeddings in it.
            POP_ISOLATE => {
                while open.pop().is_some_and(|closing| closing != c) {}
                isolates -= 1;
            }
            _ => {}
        }
        text.push(c);
    }
    text.extend(open.iter().rev());
    text
}
