#include "engine/job_context.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

unsigned EngineLimits::readers(ObjectStore& store, const std::stop_token& stop) const
{
    return std::max(threads, store.describe(stop).max_concurrency);
}

void ProgressCounters::reset()
{
    for (auto* counter : {&entries, &entries_total, &bytes, &bytes_total, &problems}) {
        counter->store(0);
    }
}

JobContext::JobContext(std::stop_token stop, std::function<void(Record)> emit)
    : stop_(std::move(stop)), emit_(std::move(emit)), started_(monotonic_seconds())
{
}

void JobContext::emit(Record record)
{
    if (emit_) {
        emit_(std::move(record));
    }
}

void JobContext::problem(const ProblemRecord& problem)
{
    progress_.problems.fetch_add(1, std::memory_order_relaxed);
    Record record("problem");
    if (!problem.source.empty()) {
        record.set("source", problem.source);
    }
    record.set("path", RawText{problem.path});
    record.set("code", error_code_name(static_cast<ErrorCode>(problem.code)));
    record.set("message", problem.message);
    emit(std::move(record));
}

void JobContext::set_current(std::string_view path)
{
    const std::lock_guard lock(mutex_);
    current_ = path;
}

double JobContext::seconds() const
{
    return monotonic_seconds() - started_;
}

namespace
{

Seconds to_seconds(double seconds)
{
    const auto whole = static_cast<std::int64_t>(seconds);
    return {whole, static_cast<std::uint32_t>((seconds - static_cast<double>(whole)) * 1e9)};
}

} // namespace

Record JobContext::progress_record() const
{
    Record record("progress");
    record.set("entries", progress_.entries.load());
    record.set("entries_total", progress_.entries_total.load());
    record.set("bytes", progress_.bytes.load());
    record.set("bytes_total", progress_.bytes_total.load());
    record.set("problems", progress_.problems.load());
    {
        const std::lock_guard lock(mutex_);
        record.set("current", RawText{current_});
    }
    record.set("seconds", to_seconds(seconds()));
    return record;
}

Record entry_record(const Entry& entry, std::string_view path)
{
    Record record("entry");
    record.set("path", RawText{std::string(path)});
    record.set("kind", entry_kind_name(entry.kind));
    if (entry.kind == EntryKind::file || entry.kind == EntryKind::image) {
        record.set("size", entry.size);
    }
    if (entry.mode) {
        record.set("mode", *entry.mode);
    }
    if (entry.user_id) {
        record.set("uid", *entry.user_id);
    }
    if (entry.group_id) {
        record.set("gid", *entry.group_id);
    }
    if (!entry.user.empty()) {
        record.set("user", RawText{entry.user});
    }
    if (!entry.group.empty()) {
        record.set("group", RawText{entry.group});
    }
    if (entry.modified) {
        record.set("modified", *entry.modified);
    }
    if (entry.changed) {
        record.set("changed", *entry.changed);
    }
    if (entry.created) {
        record.set("created", *entry.created);
    }
    if (!entry.link_target.empty()) {
        record.set("target", RawText{entry.link_target});
    }
    if (entry.link) {
        record.set("link_device", entry.link->device).set("link_inode", entry.link->inode);
    }
    if (entry.kind == EntryKind::block_device || entry.kind == EntryKind::character_device) {
        record.set("device_major", entry.device >> 32)
            .set("device_minor", entry.device & 0xffffffffU);
    }
    if (entry.subtree) {
        record.set("entries", entry.subtree->entries).set("bytes", entry.subtree->bytes);
    }
    if (entry.contents_left_out) {
        record.set("contents_left_out", true);
    }
    if (entry.damaged) {
        record.set("damaged", true);
    }
    return record;
}

} // namespace backstay::core
