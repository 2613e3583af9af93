//! Boxroom as its clients see it: every file tells one story on servers of its own.
