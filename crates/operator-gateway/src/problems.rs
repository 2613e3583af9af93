//! The problems of each operation, for its description.

/// A problem: its status, its code and its meaning.
type Row = (u16, &'static str, &'static str);

/// The problems of every operation.
pub(crate) const ALL: [Row; 19] = [
    (400, "malformed-json", "The body is not JSON."),
    (401, "missing-token", "There is no `Authorization` header."),
    (401, "invalid-token", "The token is not valid."),
    (401, "expired-token", "The token has expired; sign in again."),
    (401, "revoked-token", "The session of the token has ended; sign in again."),
    (403, "forbidden", "The caller is not an operator."),
    (404, "not-found", "There is no such request."),
    (408, "body-too-slow", "The body took longer than ten seconds."),
    (409, "refused", "The current state does not allow this; nothing was changed. The detail has the reason."),
    (413, "body-too-large", "The body is larger than 64 KiB."),
    (414, "uri-too-long", "Path and query are longer than 32 KiB."),
    (415, "unsupported-media-type", "There is a body, and its `Content-Type` is not JSON."),
    (422, "invalid-body", "The body is not a request of this kind. The detail names the field."),
    (
        429,
        "rate-limited",
        "The operator, or an address without a valid token, has sent more requests than its rate limit allows.",
    ),
    (431, "headers-too-large", "The headers are larger than 32 KiB in total."),
    (500, "internal", "A server error; the logs have the details under the request id."),
    (
        502,
        "failed",
        "The projector or notifier could not carry it out, or its answer was lost. It may have been carried out.",
    ),
    (
        503,
        "no-answer",
        "No projector or notifier runs, or none has answered in time. In the latter case it may have been carried out.",
    ),
    (503, "timeout", "The request took too long. It may have been carried out."),
];
