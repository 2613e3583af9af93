//! Tests of the talk states.
