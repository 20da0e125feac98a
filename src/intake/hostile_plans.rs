//! Plans of any bytes: every parser of a plan ends, and panics at none.

use proptest::prelude::*;

use super::{beads, jsonl, markdown};
use crate::platform::fuzz::{config, hostile};

const MARKDOWN: &[&str] = &[
    "# Plan\n\n- [ ] first task (after: other) @rust\n  a body\n- [x] other\n    - [ ] child\n",
    "## A\n* [ ] one\n\n```\n- [ ] no task\n```\n1. [ ] two `code` <!-- key: x -->\n",
];
const JSON_LINES: &[&str] = &[
    "{\"module\":\"a\",\"title\":\"A\",\"depends_on\":[\"b\"],\"priority\":1,\"owned_paths\":[\"src/**\"]}\n",
    "{\"module\":\"b\",\"title\":\"B\",\"state\":\"done\",\"acceptance\":[\"x\"],\"labels\":{\"k\":\"v\"},\"estimate_minutes\":5}\n",
];
const BEADS: &[&str] = &[
    "{\"id\":\"bd-1\",\"title\":\"One\",\"status\":\"open\",\"priority\":1,\"issue_type\":\"task\",\"labels\":[\"a\"]}\n\
     {\"id\":\"bd-2\",\"title\":\"Two\",\"status\":\"closed\",\"dependencies\":[{\"issue_id\":\"bd-2\",\"depends_on_id\":\"bd-1\",\"type\":\"blocks\"}]}\n",
    "{\"id\":\"bd-3\",\"title\":\"Three\",\"status\":\"in_progress\",\"estimated_minutes\":9,\"dependencies\":[{\"depends_on_id\":\"bd-3.1\",\"type\":\"parent-child\"}]}\n",
];

fn bytes(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn the_inputs_that_are_edited_are_plans() {
    assert!(MARKDOWN.iter().all(|text| markdown::plan(text).is_ok_and(|plan| !plan.is_empty())));
    assert!(BEADS.iter().all(|text| beads::is_export(text) && beads::plan(text).is_ok_and(|plan| !plan.is_empty())));
    for text in JSON_LINES {
        let plan = jsonl::plan(text).unwrap_or_else(|refusal| panic!("{refusal:?}"));
        assert!(!plan.is_empty());
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_markdown_plan_of_any_bytes_is_read_or_refused(content in hostile(bytes(MARKDOWN))) {
        let _ = markdown::plan(&String::from_utf8_lossy(&content));
    }

    #[test]
    fn json_lines_of_any_bytes_are_read_or_refused(content in hostile(bytes(JSON_LINES))) {
        let _ = jsonl::plan(&String::from_utf8_lossy(&content));
    }

    #[test]
    fn an_export_of_any_bytes_is_read_or_refused(content in hostile(bytes(BEADS))) {
        let text = String::from_utf8_lossy(&content);
        let _ = beads::is_export(&text);
        let _ = beads::plan(&text);
    }
}
