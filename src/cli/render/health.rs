//! The health of a board.

use super::page::{Page, Render};
use crate::app::doctor::Health;
use crate::board::mutation::Outcome;
use crate::domain::audit::Rule;
use crate::ops::health::{DoctorReply, RepairReply, ValidateReply};

impl Render for DoctorReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.maybe("project_root", self.project_root.as_ref());
        for check in &self.checks {
            page.line(format!("{:<4} {} {}: {}", check.status, check.area, check.name, check.message));
            let mends = check.command.as_ref().filter(|_| check.status != Health::Ok);
            if let Some(command) = mends {
                page.line(format!("     -> {command}"));
            }
        }
        page.field("found", format!("{} warn, {} fail", self.warnings_found, self.failures_found));
    }
}

impl Render for ValidateReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        for broken in &self.findings {
            let finding = &broken.finding;
            page.field(finding.rule.as_str(), format!("{}: {}", finding.subject, finding.detail));
            page.line(format!("  a repair would: {}", broken.remedy));
        }
        for drift in &self.pages {
            let (page_name, kind) = (&drift.page, drift.kind);
            let is_left = |repair: &RepairReply| {
                repair.still_wrong.iter().any(|left| left.rule == Rule::Page && left.subject == *page_name)
            };
            page.field(
                "page",
                match &self.repair {
                    Some(repair) if is_left(repair) => format!("{page_name} was {kind}, and could not be written"),
                    Some(_) => format!("{page_name} was {kind} and is written again"),
                    None => format!("{page_name} is {kind}"),
                },
            );
            if let Some(diff) = &drift.diff {
                page.line(diff);
            }
        }
        for archive in &self.archives {
            page.field("archive", format!("{} is {}", archive.name, archive.status));
        }
        if let Some(done) = &self.repair {
            for moved in &done.moved {
                page.field("moved", moved);
            }
            page.maybe("kept", done.kept.as_ref());
            if done.rebuilt {
                page.line("the database was made anew from what could be read");
            }
            page.maybe("backup", done.backup.as_ref());
            if done.replayed_events > 0 {
                page.field("replayed", format!("{} events told what rows did not", done.replayed_events));
            }
            for lost in &done.lost {
                page.field("lost", lost);
            }
            for finding in &done.still_wrong {
                page.field("still_wrong", format!("{} {}: {}", finding.rule, finding.subject, finding.detail));
            }
        }
        page.field("sound", if self.sound { "yes" } else { "no" });
    }
}
