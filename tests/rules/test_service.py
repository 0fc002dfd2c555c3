"""Drafts, review by another person, releases that never change, what is live."""

from __future__ import annotations

import threading

import psycopg
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from capabilities.kernel.errors import ConflictError, InvalidError, MissingError, RefusedError
from capabilities.kernel.identity import PLATFORM, BusinessIdentity
from rules import queries, service
from rules.document import Names, content_sha256, document_to_json, release_id_of
from rules.gate import GateReport
from rules.models import RulePublicationRow, RuleReleaseRow
from tests.rules.documents import PROMOTIONS, RISK, SPEND_200, a_document, a_rule, asks

RETAIL = BusinessIdentity("retail")
EDITOR, APPROVER, ADMIN = "editor", "approver", "admin"


def passing(document):
    return GateReport(rules=len(document.rules), rules_seen_true=0, facts=0, milliseconds=0)


def percent(bps, **parts):
    return a_document(a_rule(effects=[{"kind": "percent_off", "rate_bps": bps}], **parts))


def new_rule_set(session, identity=RETAIL, decision=PROMOTIONS):
    return service.create_rule_set(session, identity, decision, Names("Promotions", "促销"), EDITOR)


def save(session, rule_set_id, document, actor=EDITOR):
    draft = service.open_draft(session, rule_set_id, actor)
    return service.save_draft(session, rule_set_id, document, draft.revision, actor)


def submit(session, rule_set_id, document, actor=EDITOR, reason="because"):
    draft = save(session, rule_set_id, document, actor)
    return service.submit(session, rule_set_id, draft.revision, actor, reason, gate=passing)


def publish(session, rule_set_id, document):
    return service.approve(session, submit(session, rule_set_id, document).id, APPROVER)


def live(session, identity=RETAIL, decision=PROMOTIONS):
    return queries.live_release(session, decision, identity)


def test_a_new_rule_set_has_an_empty_draft_and_nothing_live(session):
    rule_set = new_rule_set(session)
    draft = queries.draft_of(session, rule_set.id)
    assert (draft.revision, draft.document.rules, draft.document.policy) == (1, (), "collect")
    assert rule_set.live_release_id is None
    assert live(session) is None


def test_an_identity_has_one_rule_set_for_a_decision(session):
    new_rule_set(session)
    with pytest.raises(ConflictError) as refused:
        new_rule_set(session)
    assert refused.value.code == "rules.rule_set_exists"
    new_rule_set(session, decision=RISK)
    new_rule_set(session, BusinessIdentity("retail", "livestream"))


def test_from_draft_to_live(session):
    rule_set = new_rule_set(session)
    document = percent(1_000)
    submission = submit(session, rule_set.id, document)
    assert (submission.status, submission.compared_with, submission.content_sha256) == (
        "waiting",
        None,
        content_sha256(document),
    )
    release = service.approve(session, submission.id, APPROVER, "fine")
    assert (release.number, release.submitted_by, release.approved_by) == (1, EDITOR, APPROVER)
    assert release.release_id == release_id_of(document, rule_set.id)
    found = live(session)
    assert (found.release_id, found.rule_set_id, found.document) == (release.release_id, rule_set.id, document)
    assert found.compiled.fire("order", {"order.subtotal_minor": 20_000}) == (0,)
    assert queries.draft_of(session, rule_set.id) is None
    assert queries.submission_of(session, submission.id).release_id == release.release_id


def test_an_unpublished_draft_decides_nothing(session):
    rule_set = new_rule_set(session)
    publish(session, rule_set.id, percent(1_000))
    save(session, rule_set.id, percent(9_000))
    assert live(session).document == percent(1_000)


def test_a_new_draft_begins_with_what_is_live(session):
    rule_set = new_rule_set(session)
    release = publish(session, rule_set.id, percent(1_000))
    draft = service.open_draft(session, rule_set.id, EDITOR)
    assert (draft.document, draft.based_on_release_id) == (percent(1_000), release.release_id)
    assert service.open_draft(session, rule_set.id, APPROVER).id == draft.id


# --- drafts -------------------------------------------------------------------------------------------------------


def test_a_change_on_an_older_revision_conflicts_and_says_who_was_quicker(session):
    rule_set = new_rule_set(session)
    service.save_draft(session, rule_set.id, percent(1_000), 1, "quick")
    with pytest.raises(ConflictError) as refused:
        service.save_draft(session, rule_set.id, percent(2_000), 1, EDITOR)
    assert refused.value.code == "rules.draft_moved"
    assert (refused.value.details["updated_by"], refused.value.details["revision"]) == ("quick", 2)
    assert queries.draft_of(session, rule_set.id).document == percent(1_000)


def test_saving_the_same_content_changes_nothing(session):
    rule_set = new_rule_set(session)
    submission = submit(session, rule_set.id, percent(1_000))
    again = service.save_draft(session, rule_set.id, percent(1_000), 2, "somebody")
    assert (again.revision, again.authors) == (2, (EDITOR,))
    assert queries.submission_of(session, submission.id).status == "waiting"


def test_a_draft_with_problems_can_be_saved_but_not_submitted(session):
    rule_set = new_rule_set(session)
    draft = save(session, rule_set.id, a_document(a_rule(effects=[])))
    with pytest.raises(InvalidError) as refused:
        service.submit(session, rule_set.id, draft.revision, EDITOR, gate=passing)
    assert refused.value.code == "rules.problems_block"
    assert [p["code"] for p in refused.value.details["problems"]] == ["no_effect"]
    assert queries.submissions(session, "retail") == []


def test_a_warning_does_not_keep_from_submitting(session):
    rule_set = new_rule_set(session)
    assert submit(session, rule_set.id, percent(1_000, traffic_bps=0)).status == "waiting"


def test_the_decision_of_a_rule_set_cannot_change(session):
    rule_set = new_rule_set(session)
    with pytest.raises(InvalidError) as refused:
        service.save_draft(session, rule_set.id, a_document(decision=RISK), 1, EDITOR)
    assert refused.value.code == "rules.decision_fixed"


def test_discarding_throws_the_draft_away_and_voids_what_waits(session):
    rule_set = new_rule_set(session)
    publish(session, rule_set.id, percent(1_000))
    submission = submit(session, rule_set.id, percent(2_000))
    service.discard(session, rule_set.id, 2, EDITOR)
    assert queries.draft_of(session, rule_set.id) is None
    assert queries.submission_of(session, submission.id).status == "voided"
    assert live(session).document == percent(1_000)
    with pytest.raises(MissingError):
        service.save_draft(session, rule_set.id, percent(3_000), 2, EDITOR)


# --- review -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("approver", [EDITOR, "co-author"])
def test_nobody_approves_what_he_wrote_or_submitted(session, approver):
    rule_set = new_rule_set(session)
    save(session, rule_set.id, percent(500), "co-author")
    submission = submit(session, rule_set.id, percent(1_000))
    with pytest.raises(RefusedError) as refused:
        service.approve(session, submission.id, approver)
    assert refused.value.code == "rules.own_submission"
    assert live(session) is None
    assert service.approve(session, submission.id, ADMIN).number == 1


def test_an_admin_who_submits_cannot_approve_it(session):
    rule_set = new_rule_set(session)
    draft = save(session, rule_set.id, percent(1_000))
    submission = service.submit(session, rule_set.id, draft.revision, ADMIN, gate=passing)
    with pytest.raises(RefusedError):
        service.approve(session, submission.id, ADMIN)


def test_an_edit_voids_what_was_submitted(session):
    rule_set = new_rule_set(session)
    submission = submit(session, rule_set.id, percent(1_000))
    save(session, rule_set.id, percent(9_900))
    assert queries.submission_of(session, submission.id).status == "voided"
    with pytest.raises(ConflictError) as refused:
        service.approve(session, submission.id, APPROVER)
    assert refused.value.code == "rules.submission_voided"
    assert live(session) is None


def test_submitting_again_replaces_what_waited(session):
    rule_set = new_rule_set(session)
    first = submit(session, rule_set.id, percent(1_000))
    second = submit(session, rule_set.id, percent(2_000))
    assert queries.submission_of(session, first.id).status == "voided"
    assert [s.id for s in queries.submissions(session, "retail")] == [second.id]


def test_sending_back_leaves_the_draft_open(session):
    rule_set = new_rule_set(session)
    submission = submit(session, rule_set.id, percent(1_000))
    sent = service.send_back(session, submission.id, APPROVER, "too much")
    assert (sent.status, sent.decided_by, sent.decision_note) == ("sent_back", APPROVER, "too much")
    assert queries.draft_of(session, rule_set.id).document == percent(1_000)
    with pytest.raises(ConflictError) as refused:
        service.approve(session, submission.id, APPROVER)
    assert refused.value.code == "rules.already_decided"


def test_what_is_live_already_is_not_submitted_again(session):
    rule_set = new_rule_set(session)
    publish(session, rule_set.id, percent(1_000))
    draft = service.open_draft(session, rule_set.id, EDITOR)
    with pytest.raises(RefusedError) as refused:
        service.submit(session, rule_set.id, draft.revision, EDITOR, gate=passing)
    assert refused.value.code == "rules.nothing_changed"


def test_rules_the_gate_refuses_are_not_submitted(session):
    rule_set = new_rule_set(session)
    draft = save(session, rule_set.id, percent(1_000))

    def refusing(document):
        raise InvalidError("rules.gate_failed", "These rules bring the engine down.")

    with pytest.raises(InvalidError):
        service.submit(session, rule_set.id, draft.revision, EDITOR, gate=refusing)
    assert queries.submissions(session, "retail") == []


def test_the_real_gate_lets_a_sound_document_pass(session):
    rule_set = new_rule_set(session)
    draft = save(session, rule_set.id, percent(1_000))
    assert service.submit(session, rule_set.id, draft.revision, EDITOR).status == "waiting"
    (entry, *_) = queries.audit_of(session, rule_set.id)
    assert entry.details["exercised"]["rules_seen_true"] == 1


# --- live moves ---------------------------------------------------------------------------------------------------


def test_a_draft_from_before_a_roll_back_must_be_rebased(session):
    rule_set = new_rule_set(session)
    first = publish(session, rule_set.id, percent(1_000))
    publish(session, rule_set.id, percent(2_000))
    waiting = submit(session, rule_set.id, a_document(a_rule(), a_rule("r_2", when=asks("order.quantity", "gte", 9))))
    service.roll_back(session, rule_set.id, first.release_id, APPROVER, "oops")
    with pytest.raises(ConflictError):
        service.approve(session, waiting.id, APPROVER)
    draft = queries.draft_of(session, rule_set.id)
    with pytest.raises(ConflictError) as refused:
        service.submit(session, rule_set.id, draft.revision, EDITOR, gate=passing)
    assert refused.value.code == "rules.live_moved"
    rebased, conflicts = service.rebase(session, rule_set.id, draft.revision, EDITOR)
    assert rebased.based_on_release_id == first.release_id
    assert [c.rule_id for c in conflicts] == []
    assert [rule.id for rule in rebased.document.rules] == ["r_1", "r_2"]
    assert service.submit(session, rule_set.id, rebased.revision, EDITOR, gate=passing).status == "waiting"


def test_rolling_back_makes_the_old_release_live_and_keeps_both(session):
    rule_set = new_rule_set(session)
    first = publish(session, rule_set.id, percent(1_000))
    second = publish(session, rule_set.id, percent(1_500))
    service.roll_back(session, rule_set.id, first.release_id, APPROVER, "sold below cost")
    assert live(session).release_id == first.release_id
    history = queries.history_of(session, rule_set.id)
    assert [(h.kind, h.number, h.previous_release_id) for h in history] == [
        ("roll_back", 1, second.release_id),
        ("publish", 2, first.release_id),
        ("publish", 1, None),
    ]
    assert history[0].reason == "sold below cost"
    assert [r.number for r in queries.releases_of(session, rule_set.id)] == [2, 1]
    with pytest.raises(ConflictError) as refused:
        service.roll_back(session, rule_set.id, first.release_id, APPROVER)
    assert refused.value.code == "rules.already_live"


def test_rolling_back_to_another_rule_sets_release_is_refused(session):
    mine, other = new_rule_set(session), new_rule_set(session, BusinessIdentity("finance"))
    publish(session, mine.id, percent(1_000))
    theirs = publish(session, other.id, percent(2_000))
    with pytest.raises(MissingError):
        service.roll_back(session, mine.id, theirs.release_id, APPROVER)


def test_publishing_old_content_again_finds_its_release(session):
    rule_set = new_rule_set(session)
    first = publish(session, rule_set.id, percent(1_000))
    publish(session, rule_set.id, percent(2_000))
    again = publish(session, rule_set.id, percent(1_000))
    assert (again.release_id, again.number) == (first.release_id, 1)
    assert live(session).release_id == first.release_id
    assert publish(session, rule_set.id, percent(3_000)).number == 3


def test_equal_content_in_two_rule_sets_is_two_releases(session):
    one, other = new_rule_set(session), new_rule_set(session, BusinessIdentity("finance"))
    assert publish(session, one.id, percent(1_000)).release_id != publish(session, other.id, percent(1_000)).release_id


def test_the_nearest_rule_set_replaces_the_wider_ones_whole(session):
    stream = BusinessIdentity("retail", "livestream")
    for identity, bps in ((BusinessIdentity(PLATFORM), 100), (RETAIL, 200), (stream, 300)):
        publish(session, new_rule_set(session, identity).id, percent(bps))
    rate = {str(i): live(session, i).document.rules[0].effects[0]["rate_bps"] for i in (stream, RETAIL)}
    assert rate == {"retail/livestream": 300, "retail": 200}
    assert live(session, BusinessIdentity("retail", "other")).document == percent(200)
    assert live(session, BusinessIdentity("logistics")).document == percent(100)
    assert live(session, RETAIL, RISK) is None


def test_a_scenario_without_a_release_falls_back(session):
    publish(session, new_rule_set(session).id, percent(200))
    new_rule_set(session, BusinessIdentity("retail", "livestream"))
    assert live(session, BusinessIdentity("retail", "livestream")).document == percent(200)


def test_everything_is_audited(session):
    rule_set = new_rule_set(session)
    first = publish(session, rule_set.id, percent(1_000))
    sub = submit(session, rule_set.id, percent(2_000))
    service.send_back(session, sub.id, APPROVER, "no")
    publish(session, rule_set.id, percent(3_000))
    service.roll_back(session, rule_set.id, first.release_id, APPROVER, "why")
    entries = [(e.action, e.actor, e.reason) for e in reversed(queries.audit_of(session, rule_set.id))]
    assert entries == [
        ("created", EDITOR, ""),
        ("submitted", EDITOR, "because"),
        ("approved", APPROVER, ""),
        ("submitted", EDITOR, "because"),
        ("sent_back", APPROVER, "no"),
        ("submitted", EDITOR, "because"),
        ("approved", APPROVER, ""),
        ("rolled_back", APPROVER, "why"),
    ]


def test_lists_show_what_is_live_drafted_and_waiting(session):
    rule_set = new_rule_set(session)
    publish(session, rule_set.id, percent(1_000))
    submission = submit(session, rule_set.id, percent(2_000))
    new_rule_set(session, BusinessIdentity("finance"))
    (found,) = queries.rule_sets(session, "retail")
    assert (found.live_number, found.draft_revision, found.draft_updated_by) == (1, 2, EDITOR)
    assert found.waiting_submission_id == submission.id
    assert found.live_since is not None
    assert found.identity == RETAIL
    assert len(queries.rule_sets(session)) == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda s: queries.rule_set_of(s, "rs_0"),
        lambda s: queries.release_of(s, "rel_0"),
        lambda s: queries.release_to_decide(s, "rel_0"),
        lambda s: queries.submission_of(s, "sub_0"),
        lambda s: service.approve(s, "sub_0", APPROVER),
        lambda s: service.open_draft(s, "rs_0", EDITOR),
        lambda s: service.save_draft(s, "rs_0", percent(1), 1, EDITOR),
    ],
)
def test_what_does_not_exist_is_missing(session, call):
    with pytest.raises(MissingError):
        call(session)


@pytest.mark.parametrize("table", ["rule_release", "rule_publication", "rule_audit"])
@pytest.mark.parametrize("change", ["UPDATE {} SET business = 'x'", "DELETE FROM {}"])
def test_the_database_itself_refuses_to_change_history(session, table, change):
    publish(session, new_rule_set(session).id, percent(1_000))
    session.flush()
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        session.execute(text(change.format(table)))


# --- committed, concurrent ----------------------------------------------------------------------------------------


def both_at_once(*calls):
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(i, call):
        barrier.wait()
        try:
            results[i] = call()
        except (ConflictError, RefusedError) as error:
            results[i] = error

    threads = [threading.Thread(target=run, args=(i, call)) for i, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def in_transaction(sessions, function, *args):
    def call():
        with sessions() as session, session.begin():
            return function(session, *args)

    return call


@pytest.mark.parametrize("attempt", range(3))
def test_two_approvers_at_once_publish_once(sessions, attempt):
    with sessions() as session, session.begin():
        submission = submit(session, new_rule_set(session).id, percent(1_000))
    results = both_at_once(
        in_transaction(sessions, service.approve, submission.id, "approver_1"),
        in_transaction(sessions, service.approve, submission.id, "approver_2"),
    )
    codes = sorted(r.code if isinstance(r, ConflictError) else "live" for r in results)
    assert codes == ["live", "rules.already_decided"]
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(RuleReleaseRow)) == 1
        assert session.scalar(select(func.count()).select_from(RulePublicationRow)) == 1


def test_an_edit_and_an_approval_at_once_never_publish_what_was_not_seen(sessions):
    with sessions() as session, session.begin():
        rule_set = new_rule_set(session)
        submission = submit(session, rule_set.id, percent(1_000))
    outcomes = []

    def edit(session):
        try:
            return service.save_draft(session, rule_set.id, percent(9_000), 2, EDITOR)
        except MissingError as error:
            outcomes.append(error.code)

    approved, _ = both_at_once(
        in_transaction(sessions, service.approve, submission.id, APPROVER), in_transaction(sessions, edit)
    )
    with sessions() as session:
        found = live(session)
    if isinstance(approved, ConflictError):
        assert (approved.code, found) == ("rules.submission_voided", None)
    else:
        assert (found.document, outcomes) == (percent(1_000), ["rules.draft_missing"])


def test_a_roll_back_and_an_approval_at_once_leave_one_line_of_history(sessions):
    with sessions() as session, session.begin():
        rule_set = new_rule_set(session)
        first = publish(session, rule_set.id, percent(1_000))
        publish(session, rule_set.id, percent(2_000))
        submission = submit(session, rule_set.id, percent(3_000))
    both_at_once(
        in_transaction(sessions, service.approve, submission.id, APPROVER),
        in_transaction(sessions, service.roll_back, rule_set.id, first.release_id, "other"),
    )
    with sessions() as session:
        history = queries.history_of(session, rule_set.id)
        assert live(session).release_id == history[0].release_id
        assert [h.previous_release_id for h in history[:-1]] == [h.release_id for h in history[1:]]


def test_the_next_transaction_has_what_was_published_and_a_running_one_at_read_committed_too(sessions):
    with sessions() as session, session.begin():
        rule_set = new_rule_set(session)
        publish(session, rule_set.id, percent(1_000))
    with sessions() as running:
        assert live(running).document == percent(1_000)
        with sessions() as session, session.begin():
            publish(session, rule_set.id, percent(1_500))
        assert live(running).document == percent(1_500)
    with sessions() as session:
        assert live(session).document == percent(1_500)


def test_a_publish_that_is_rolled_back_never_was(sessions):
    with sessions() as session, session.begin():
        rule_set = new_rule_set(session)
        publish(session, rule_set.id, percent(1_000))
    with sessions() as session:
        publish(session, rule_set.id, percent(1_500))
        session.rollback()
    with sessions() as session:
        assert live(session).document == percent(1_000)


def test_a_publish_is_announced_when_it_commits(sessions, engine):
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as listening:
        listening.execute("LISTEN rules_published")
        with sessions() as session, session.begin():
            rule_set = new_rule_set(session)
            publish(session, rule_set.id, percent(1_000))
            assert list(listening.notifies(timeout=0.05, stop_after=1)) == []
        (announced,) = listening.notifies(timeout=5, stop_after=1)
        assert announced.payload == rule_set.id


def test_documents_come_back_from_the_database_as_they_went_in(session):
    rule_set = new_rule_set(session)
    document = a_document(
        a_rule(
            when={"all": [SPEND_200, asks("order.channel", "in", ['quo"te', "日本", "\\"])]}, window={"hours": [22, 2]}
        ),
        options={"totals": "original"},
        groups={"g": {"mode": "best"}},
    )
    release = publish(session, rule_set.id, document)
    session.expire_all()
    assert queries.release_of(session, release.release_id).document == document
    assert document_to_json(queries.release_of(session, release.release_id).document) == document_to_json(document)
