//! The subjects of the requests.

/// The subjects of every [`request`].
pub const ALL_REQUESTS: &str = "ops.projector.*";

/// Returns the subject of an operator's request to the projectors. See [`verb`].
pub fn request(verb: &str) -> String {
    format!("ops.projector.{verb}")
}

/// Returns the verb in the subject of an operator's request.
pub fn verb(subject: &str) -> Option<&str> {
    subject.strip_prefix("ops.projector.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_verb() {
        assert_eq!(verb(&request("status")), Some("status"));
        assert_eq!(verb("cmd.status"), None);
    }
}
