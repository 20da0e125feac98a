//! What the random play can do: holders, people, and whoever asks, answers and hands over. For tests.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::claims::Wish;
use super::graph::Force;
use super::handoffs::NewHandoff;
use super::leases::Beat;
use super::model::reply;
use super::mutation::Answer;
use super::questions::{NewQuestion, Reply};
use super::stage::parse;
use super::tasks::Edit;
use super::turn::Turn;
use super::work::Free;
use crate::domain::cursor::Stream;
use crate::domain::handoff::HandoffKind;
use crate::domain::id::Module;
use crate::domain::question::QuestionId;
use crate::domain::refusal::Refusal;
use crate::domain::submission::SubmittedWork;
use crate::domain::task::WaitFor;
use crate::domain::workspace::WorkingTree;

/// What a holder does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Heartbeat,
    Finish,
    Release,
    Fail,
    Block,
    Approve,
    RequestChanges,
    Ask,
    AskBen,
    HandOver,
    HandToBen,
}

/// What a person says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Unblock,
    Cancel,
    CancelAndFree,
    Reopen,
    Approve,
    RequestChanges,
    Reclaim,
    Urgent,
}

/// What is said, asked, answered and handed over.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    Ask,
    AskNobody,
    Answer(i64),
    WithdrawQuestion(i64),
    Notify(usize),
    Acknowledge,
    LeaveTakeover,
    LeaveReview,
    ClaimHandoff,
    AckHandoff,
    WithdrawHandoff,
}

/// Any deed, some more often than others.
pub(super) fn deed() -> impl Strategy<Value = Deed> {
    use Deed as D;
    prop::sample::select(vec![
        D::Heartbeat,
        D::Heartbeat,
        D::Finish,
        D::Finish,
        D::Finish,
        D::Release,
        D::Fail,
        D::Block,
        D::Approve,
        D::Approve,
        D::RequestChanges,
        D::Ask,
        D::AskBen,
        D::HandOver,
        D::HandToBen,
    ])
}

/// Any word.
pub(super) fn word() -> impl Strategy<Value = Word> {
    use Word as W;
    prop::sample::select(vec![
        W::Unblock,
        W::Unblock,
        W::Cancel,
        W::CancelAndFree,
        W::Reopen,
        W::Reopen,
        W::Approve,
        W::RequestChanges,
        W::Reclaim,
        W::Urgent,
    ])
}

/// Any signal.
pub(super) fn signal() -> impl Strategy<Value = Signal> {
    use Signal as S;
    prop_oneof![
        Just(S::Ask),
        Just(S::AskNobody),
        (1..6i64).prop_map(S::Answer),
        (1..6i64).prop_map(S::Answer),
        (1..6i64).prop_map(S::WithdrawQuestion),
        (0..AUDIENCES.len()).prop_map(S::Notify),
        Just(S::Acknowledge),
        Just(S::LeaveTakeover),
        Just(S::LeaveReview),
        Just(S::ClaimHandoff),
        Just(S::ClaimHandoff),
        Just(S::AckHandoff),
        Just(S::WithdrawHandoff),
    ]
}

const AUDIENCES: [&str; 5] = ["workers", "workers:docs", "reviewers", "agent:ben", "humans"];
/// Of what is said to each: ben is told to stop.
const PRIORITIES: [u8; 5] = [2, 1, 2, 0, 2];

fn question(module: Option<&Module>, to: &str) -> NewQuestion {
    NewQuestion { module: module.cloned(), to: parse(to), text: "?".to_owned(), options: vec![], priority: 2 }
}

fn handoff(module: &Module, to: Option<&str>, kind: HandoffKind) -> NewHandoff {
    let (to, notes, tree) = (to.map(parse), String::new(), WorkingTree::default());
    NewHandoff { module: module.clone(), to, kind, notes, tree }
}

/// Does what a holder does.
pub(super) fn done(turn: &mut Turn<'_>, module: &Module, deed: Deed) -> Result<Value, Refusal> {
    match deed {
        Deed::Heartbeat => turn.heartbeat(module, &Beat::default()).map(drop)?,
        Deed::Finish => turn.finish_task(module, "done", SubmittedWork::default()).map(drop)?,
        Deed::Release => turn.release(module, "no").map(drop)?,
        Deed::Fail => turn.fail_task(module, "no").map(drop)?,
        Deed::Block => turn.block(module, WaitFor::External, "later").map(drop)?,
        Deed::Approve => turn.approve(module, None, "good").map(drop)?,
        Deed::RequestChanges => turn.request_changes(module, None, "more").map(drop)?,
        Deed::Ask => turn.ask(question(Some(module), "humans")).map(drop)?,
        Deed::AskBen => turn.ask(question(Some(module), "agent:ben")).map(drop)?,
        Deed::HandOver => turn.leave_handoff(handoff(module, None, HandoffKind::Takeover)).map(drop)?,
        Deed::HandToBen => turn.leave_handoff(handoff(module, Some("agent:ben"), HandoffKind::Takeover)).map(drop)?,
    }
    Ok(json!({}))
}

/// Does what a person says.
pub(super) fn said(turn: &mut Turn<'_>, module: &Module, word: Word) -> Result<Value, Refusal> {
    match word {
        Word::Unblock => turn.unblock(module).map(drop)?,
        Word::Cancel => turn.cancel(std::slice::from_ref(module), "no", Free::Nobody).map(drop)?,
        Word::CancelAndFree => turn.cancel(std::slice::from_ref(module), "no", Free::Dependents).map(drop)?,
        Word::Reopen => turn.reopen(module, "again").map(drop)?,
        Word::Approve => turn.approve(module, None, "good").map(drop)?,
        Word::RequestChanges => turn.request_changes(module, None, "more").map(drop)?,
        Word::Reclaim => turn.force_reclaim(module, "now").map(drop)?,
        Word::Urgent => {
            turn.edit_task(module, Edit { priority: Some(0), ..Edit::default() }, Force::No).map(drop)?;
        }
    }
    Ok(json!({}))
}

/// Says, asks, answers or hands over.
pub(super) fn signalled(turn: &mut Turn<'_>, module: &Module, signal: Signal) -> Result<Answer<Value>, Refusal> {
    match signal {
        Signal::Ask => turn.ask(question(Some(module), "humans")).map(drop)?,
        Signal::AskNobody => turn.ask(question(None, "agent:ben")).map(drop)?,
        Signal::Answer(id) => turn.answer(QuestionId(id), &Reply::Text("!".to_owned())).map(drop)?,
        Signal::WithdrawQuestion(id) => turn.withdraw_question(QuestionId(id)).map(drop)?,
        Signal::Notify(at) => turn.send_message(parse(AUDIENCES[at]), "hello", PRIORITIES[at]).map(drop)?,
        Signal::Acknowledge => {
            let newest = turn.board.event_seq;
            turn.acknowledge(Stream::Notifications, None, Some(newest)).map(drop)?;
        }
        Signal::LeaveTakeover => turn.leave_handoff(handoff(module, None, HandoffKind::Takeover)).map(drop)?,
        Signal::LeaveReview => turn.leave_handoff(handoff(module, None, HandoffKind::Review)).map(drop)?,
        Signal::ClaimHandoff => return Ok(reply(turn.claim_handoff(module, &Wish::default())?)),
        Signal::AckHandoff => turn.acknowledge_handoff(module).map(drop)?,
        Signal::WithdrawHandoff => turn.withdraw_handoff(module).map(drop)?,
    }
    Ok(Answer::done(json!({})))
}
