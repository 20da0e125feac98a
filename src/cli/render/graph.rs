//! Dependencies.

use std::fmt::Write as _;

use super::page::{Page, Render};
use crate::board::lists::GraphView;
use crate::board::mutation::Outcome;
use crate::domain::text;
use crate::ops::graph::{GraphFormat, GraphReply};

impl Render for GraphReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        match self.format {
            GraphFormat::Text => lines(&self.graph, page),
            GraphFormat::Dot => page.line(dot(&self.graph).trim_end()),
            GraphFormat::Mermaid => page.line(mermaid(&self.graph).trim_end()),
        }
        if self.graph.cut {
            let comment = match self.format {
                GraphFormat::Text => "…",
                GraphFormat::Dot => "//",
                GraphFormat::Mermaid => "%%",
            };
            page.line(format!("{comment} there is more: --limit N, or callboard graph M"));
        }
    }
}

fn lines(graph: &GraphView, page: &mut Page) {
    for task in &graph.tasks {
        let needs = graph.edges.iter().filter(|edge| edge.module == task.module);
        let needs: Vec<String> = needs.map(|edge| edge.needs.to_string()).collect();
        let needs = if needs.is_empty() { String::new() } else { format!(" <- {}", needs.join(", ")) };
        page.line(format!("{} ({}){needs}", task.module, task.state));
    }
    if graph.tasks.is_empty() {
        page.line("nothing is unfinished");
    }
}

fn label(title: &str) -> String {
    text::cut(&text::one_line(title), 40).replace('\\', "/").replace('"', "'")
}

fn dot(graph: &GraphView) -> String {
    let mut out = "digraph plan {\n  rankdir=LR;\n".to_owned();
    for task in &graph.tasks {
        let _ = writeln!(
            out,
            "  \"{}\" [label=\"{}\\n{} ({})\"];",
            task.module,
            task.module,
            label(&task.title),
            task.state
        );
    }
    for edge in &graph.edges {
        let _ = writeln!(out, "  \"{}\" -> \"{}\";", edge.needs, edge.module);
    }
    out.push_str("}\n");
    out
}

fn mermaid(graph: &GraphView) -> String {
    let mut out = "graph LR\n".to_owned();
    let number = |module| graph.tasks.iter().position(|task| task.module == module);
    for (at, task) in graph.tasks.iter().enumerate() {
        let title = label(&task.title).replace(['<', '>', '`'], "'");
        let _ = writeln!(out, "  t{at}[\"{}: {title} ({})\"]", task.module, task.state);
    }
    for edge in &graph.edges {
        if let (Some(from), Some(to)) = (number(edge.needs.clone()), number(edge.module.clone())) {
            let _ = writeln!(out, "  t{from} --> t{to}");
        }
    }
    out
}
