#include "host_source.hpp"

#include "guarded.hpp"
#include "visible_struct.hpp"

#include "base/file.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/core.h>
#include <set>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace backstay::capi
{

namespace
{

using core::Entry;
using core::EntryKind;
using core::Error;
using core::ErrorCode;
using core::SourceEntry;

/// Marks this thread as being in a callback, whose library calls are limited (R6).
class InCallback
{
public:
    InCallback() { ++callback_depth(); }
    ~InCallback() { --callback_depth(); }
};

/// A status of the host's that is none of ours means no more than that the host failed.
ErrorCode code_of(backstay_status status)
{
    const auto code = static_cast<ErrorCode>(status);
    return std::strcmp(core::error_code_name(code), "unknown") != 0 ? code : ErrorCode::host;
}

std::string text(const char* data, std::size_t length, std::size_t limit, const char* what)
{
    if (length > limit || (length > 0 && data == nullptr)) {
        throw Error(ErrorCode::host, fmt::format("the host's source gave a bad {}", what));
    }
    return length > 0 ? std::string(data, length) : std::string();
}

core::Timestamp time_of(std::int64_t seconds, std::uint32_t nanoseconds)
{
    if (nanoseconds >= 1'000'000'000) {
        throw Error(ErrorCode::host, "the host's source gave a time with 10^9 nanoseconds or more");
    }
    return {seconds, nanoseconds};
}

void take_attributes(const backstay_entry& given, Entry& entry)
{
    const auto has = [&given](std::uint32_t bit) { return (given.present & bit) != 0; };
    entry.size = has(BACKSTAY_HAS_SIZE) ? given.size : 0;
    if (has(BACKSTAY_HAS_MODE)) {
        entry.mode = given.mode & 07777U;
    }
    if (has(BACKSTAY_HAS_USER)) {
        entry.user_id = given.user_id;
    }
    if (has(BACKSTAY_HAS_GROUP)) {
        entry.group_id = given.group_id;
    }
    if (has(BACKSTAY_HAS_MODIFIED)) {
        entry.modified = time_of(given.modified_s, given.modified_ns);
    }
    if (has(BACKSTAY_HAS_CHANGED)) {
        entry.changed = time_of(given.changed_s, given.changed_ns);
    }
    if (has(BACKSTAY_HAS_CREATED)) {
        entry.created = time_of(given.created_s, given.created_ns);
    }
    if (has(BACKSTAY_HAS_LINK)) {
        entry.link = core::LinkIdentity{given.link[0], given.link[1]};
    }
    if (has(BACKSTAY_HAS_DEVICE)) {
        entry.device = given.device;
    }
    if (has(BACKSTAY_HAS_FILE_FLAGS)) {
        entry.file_flags = given.file_flags;
    }
}

void take_xattrs(const backstay_entry& given, Entry& entry)
{
    if (given.xattr_count > core::max_xattrs ||
        (given.xattr_count > 0 && given.xattrs == nullptr)) {
        throw Error(ErrorCode::host, "the host's source gave bad xattrs");
    }
    for (std::size_t i = 0; i < given.xattr_count; ++i) {
        const backstay_xattr& xattr = given.xattrs[i];
        if (xattr.value_length > core::max_xattr_value ||
            (xattr.value_length > 0 && xattr.value == nullptr)) {
            throw Error(ErrorCode::host, "the host's source gave a bad xattr value");
        }
        core::Bytes value(xattr.value_length);
        std::copy_n(xattr.value, xattr.value_length, value.begin());
        entry.xattrs.push_back(
            {text(xattr.name, xattr.name_length, core::max_name_size, "xattr name"),
             std::move(value)});
    }
    std::sort(entry.xattrs.begin(), entry.xattrs.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
}

SourceEntry entry_from(const backstay_entry& given)
{
    if (given.kind < BACKSTAY_KIND_FILE || given.kind > BACKSTAY_KIND_IMAGE) {
        throw Error(
            ErrorCode::host,
            fmt::format("the host's source gave an entry of the unknown kind {}", given.kind));
    }
    if (given.chunk_policy > BACKSTAY_CHUNK_NONE) {
        throw Error(
            ErrorCode::host,
            fmt::format("the host's source gave the unknown chunk policy {}", given.chunk_policy));
    }
    SourceEntry out;
    Entry& entry = out.entry;
    entry.path = text(given.path, given.path_length, core::max_path_size, "path");
    if (!core::is_entry_path(entry.path)) {
        throw Error(ErrorCode::host,
                    "the host's source gave a path that is empty, absolute, or has a name that is "
                    "\"\", \".\" or \"..\"",
                    entry.path);
    }
    entry.kind = static_cast<EntryKind>(given.kind);
    entry.damaged = (given.flags & BACKSTAY_ENTRY_DAMAGED) != 0;
    entry.contents_left_out = (given.flags & BACKSTAY_ENTRY_CONTENTS_LEFT_OUT) != 0;
    entry.link_target =
        text(given.link_target, given.link_target_length, core::max_link_target, "link target");
    entry.user = text(given.user, given.user_length, core::max_name_size, "user name");
    entry.group = text(given.group, given.group_length, core::max_name_size, "group name");
    const std::string token =
        text(reinterpret_cast<const char*>(given.change_token), given.change_token_length,
             core::max_change_token, "change token");
    entry.change_token.assign(token.begin(), token.end());
    take_attributes(given, entry);
    take_xattrs(given, entry);
    out.item = given.item;
    out.sequential = (given.flags & BACKSTAY_ENTRY_SEQUENTIAL) != 0;
    out.sparse = (given.flags & BACKSTAY_ENTRY_SPARSE) != 0;
    out.policy = {static_cast<core::ChunkPolicy::Kind>(given.chunk_policy), given.chunk_size};
    out.base = text(given.base, given.base_length, core::max_path_size, "base path");
    return out;
}

class HostSource : public core::DataSource
{
public:
    HostSource(const backstay_source_vtable& vtable, void* self) : vtable_(vtable), self_(self) {}

    ~HostSource() override
    {
        if (vtable_.destroy != nullptr) {
            const InCallback in;
            vtable_.destroy(self_);
        }
    }

    std::string probe(const std::stop_token& stop) override
    {
        backstay_record record{core::Record("source"), {}, {}};
        record.record.set("kind", "host");
        if (vtable_.probe != nullptr) {
            call(stop, "probe", [&](backstay_callback* callback) {
                return vtable_.probe(self_, callback, &record);
            });
        }
        return record.record.json();
    }

    core::SessionPlan open(core::SnapshotView* parent, core::ProblemSink problems,
                           std::stop_token stop) override
    {
        problems_ = std::move(problems);
        stop_ = stop;
        parent_ = parent;
        forget_marks();
        cancel_event_ = core::FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        on_stop_.emplace(stop, [event = cancel_event_.get()] {
            const std::uint64_t one = 1;
            [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof one);
        });
        lend_parent(parent);
        backstay_session session{};
        session.struct_size = sizeof session;
        call(stop_, "open", [&](backstay_callback* callback) {
            return vtable_.open(self_, callback, view_.get(), &session);
        });
        if (session.lane_count == 0 || session.lane_count > max_lanes) {
            settle(false);
            throw Error(ErrorCode::host,
                        fmt::format("the host's source asks for {} lanes: 1 to {} are possible",
                                    session.lane_count, max_lanes));
        }
        unreleased_.assign(session.lane_count, {});
        return {session.lane_count, session.entries, session.bytes};
    }

    std::optional<SourceEntry> next(std::uint32_t lane) override
    {
        backstay_entry given{};
        given.struct_size = sizeof given;
        const backstay_status status = call(stop_, "next", [&](backstay_callback* callback) {
            return vtable_.next(self_, callback, lane, &given);
        });
        if (status == BACKSTAY_DONE) {
            return std::nullopt;
        }
        unreleased_.at(lane).push_back(given.item);
        SourceEntry entry = entry_from(given);
        entry.entry.damaged = entry.entry.damaged || is_marked(entry.entry.path);
        return entry;
    }

    std::size_t read(std::uint32_t lane, std::uint64_t item, std::uint64_t offset,
                     core::MutableByteSpan buffer) override
    {
        std::size_t got = 0;
        call(stop_, "read", [&](backstay_callback* callback) {
            return vtable_.read(self_, callback, lane, item, offset, buffer.data(), buffer.size(),
                                &got);
        });
        if (got > buffer.size()) {
            throw Error(ErrorCode::host,
                        "the host's source says that it read more than there was room for");
        }
        return got;
    }

    std::optional<core::SnapshotStream::Extent> next_data(std::uint32_t lane, std::uint64_t item,
                                                          std::uint64_t offset) override
    {
        if (vtable_.next_data == nullptr) {
            throw Error(ErrorCode::host,
                        "the host's source gave a sparse entry but has no next_data");
        }
        core::SnapshotStream::Extent extent{};
        const backstay_status status = call(stop_, "next_data", [&](backstay_callback* callback) {
            return vtable_.next_data(self_, callback, lane, item, offset, &extent.begin,
                                     &extent.end);
        });
        if (status == BACKSTAY_DONE) {
            return std::nullopt;
        }
        if (extent.begin < offset || extent.end <= extent.begin) {
            throw Error(ErrorCode::host, "the host's source gave data that goes backwards");
        }
        return extent;
    }

    Outcome outcome(std::uint32_t, std::uint64_t, Entry& now) override
    {
        now.damaged = now.damaged || is_marked(now.path);
        return Outcome::stable;
    }

    void release(std::uint32_t lane, std::uint64_t item) override
    {
        std::vector<std::uint64_t>& items = unreleased_.at(lane);
        items.erase(std::find(items.begin(), items.end(), item));
        tell_released(lane, item);
    }

    core::SourceVerdict finish() override
    {
        backstay_record record{core::Record(), {}, {}};
        backstay_verdict given{};
        given.struct_size = sizeof given;
        given.record = &record;
        call(stop_, "finish",
             [&](backstay_callback* callback) { return vtable_.finish(self_, callback, &given); });
        core::SourceVerdict verdict;
        const bool known =
            given.verdict == BACKSTAY_VERDICT_OK || given.verdict == BACKSTAY_VERDICT_DAMAGED;
        verdict.kind = known ? static_cast<core::SourceVerdict::Kind>(given.verdict)
                             : core::SourceVerdict::Kind::failed;
        verdict.problems = given.problems;
        verdict.record = record.record.fields().empty() ? std::string() : record.record.json();
        verdict.message = given.message != nullptr ? given.message : "";
        return verdict;
    }

    void settle(bool committed) override
    {
        // Whatever the host says to it, the session is over.
        struct End {
            HostSource& source;
            ~End()
            {
                source.view_.reset();
                source.parent_ = nullptr;
                source.on_stop_.reset();
            }
        } end{*this};
        release_the_rest();
        if (vtable_.settle != nullptr) {
            call(std::stop_token(), "settle", [&](backstay_callback* callback) {
                return vtable_.settle(self_, callback, committed ? 1 : 0);
            });
        }
    }

private:
    static constexpr std::uint32_t max_lanes = 256;

    void tell_released(std::uint32_t lane, std::uint64_t item)
    {
        if (vtable_.release != nullptr) {
            const InCallback in;
            vtable_.release(self_, lane, item);
        }
    }

    /// What lanes held when they were stopped.
    void release_the_rest()
    {
        for (std::uint32_t lane = 0; lane < unreleased_.size(); ++lane) {
            for (const std::uint64_t item : std::exchange(unreleased_[lane], {})) {
                tell_released(lane, item);
            }
        }
    }

    void lend_parent(core::SnapshotView* parent)
    {
        view_.reset();
        if (parent == nullptr) {
            return;
        }
        // Borrowed: the engine keeps the parent until settle.
        view_ = std::make_unique<backstay_view>();
        view_->view = std::shared_ptr<core::SnapshotView>(parent, [](core::SnapshotView*) {});
        if (const std::string record = parent->source_record(); !record.empty()) {
            view_->record.reset(new_record(core::Record::from_json(record)));
        }
    }

    template <typename Function>
    backstay_status call(const std::stop_token& stop, const char* name, Function&& function)
    {
        const core::ProblemSink sink = [this](core::Problem problem) {
            take_problem(std::move(problem));
        };
        backstay_callback callback;
        callback.stop = stop;
        callback.cancel_descriptor = cancel_event_.get();
        callback.problems = &sink;
        callback.parent = parent_;
        backstay_status status = BACKSTAY_OK;
        {
            const InCallback in;
            status = function(&callback);
        }
        if (status >= 0) {
            return status;
        }
        const bool explained = callback.failed == status && !callback.message.empty();
        Error error(code_of(status), explained ? callback.message
                                               : fmt::format("{} of the host's source failed: {}",
                                                             name, backstay_status_name(status)));
        error.set_host_tag(callback.host_tag);
        throw error;
    }

    void take_problem(core::Problem problem)
    {
        if (problem.code == ErrorCode::damaged) {
            const std::lock_guard lock(mutex_);
            marked_.insert(problem.path);
        }
        if (problems_) {
            problems_(std::move(problem));
        }
    }

    void forget_marks()
    {
        const std::lock_guard lock(mutex_);
        marked_.clear();
    }

    bool is_marked(const std::string& path)
    {
        const std::lock_guard lock(mutex_);
        return marked_.find(path) != marked_.end();
    }

    backstay_source_vtable vtable_;
    void* self_;
    core::ProblemSink problems_;
    std::stop_token stop_;
    core::SnapshotView* parent_ = nullptr;
    std::unique_ptr<backstay_view> view_;
    core::FileDescriptor cancel_event_;
    std::optional<std::stop_callback<std::function<void()>>> on_stop_;
    std::vector<std::vector<std::uint64_t>> unreleased_; ///< by lane: given, not released yet
    std::mutex mutex_;                                   // guards marked_
    std::set<std::string> marked_;
};

} // namespace

std::shared_ptr<core::DataSource> make_host_source(const backstay_source_vtable& vtable, void* self)
{
    return std::make_shared<HostSource>(vtable, self);
}

} // namespace backstay::capi

using backstay::capi::guarded_in_callback;
using backstay::capi::need;

extern "C" {

int32_t backstay_callback_is_cancelled(const backstay_callback* callback)
{
    return callback != nullptr && callback->stop.stop_requested() ? 1 : 0;
}

int backstay_callback_cancel_descriptor(const backstay_callback* callback)
{
    return callback != nullptr ? callback->cancel_descriptor : -1;
}

backstay_status backstay_callback_fail(backstay_callback* callback, backstay_status status,
                                       const char* message, size_t length, uint64_t host_tag)
{
    const backstay_status given = status < 0 ? status : BACKSTAY_E_HOST;
    if (callback != nullptr) {
        guarded_in_callback(nullptr, [&] {
            callback->failed = given;
            callback->host_tag = host_tag;
            callback->message = message == nullptr       ? ""
                                : length == BACKSTAY_NUL ? std::string(message)
                                                         : std::string(message, length);
            return BACKSTAY_OK;
        });
    }
    return given;
}

backstay_status backstay_callback_problem(backstay_callback* callback, backstay_status status,
                                          const char* path, size_t path_length, const char* message,
                                          size_t message_length)
{
    return guarded_in_callback(nullptr, [&] {
        const std::string where =
            path != nullptr ? backstay::capi::path_argument(path, path_length) : std::string();
        const std::string what = backstay::capi::path_argument(message, message_length);
        (*need(callback, "callback").problems)({backstay::capi::code_of(status), where, what});
        return BACKSTAY_OK;
    });
}

backstay_status backstay_callback_parent_lookup(backstay_callback* callback, const char* path,
                                                size_t length, backstay_entry* out)
{
    return guarded_in_callback(nullptr, [&]() -> backstay_status {
        backstay::core::SnapshotView* parent = need(callback, "callback").parent;
        auto found = parent != nullptr ? parent->lookup(backstay::capi::path_argument(path, length))
                                       : std::nullopt;
        if (!found) {
            return BACKSTAY_E_NOT_FOUND;
        }
        callback->looked_up = std::move(*found);
        backstay::capi::fill_entry(out, callback->looked_up, callback->xattrs);
        return BACKSTAY_OK;
    });
}

} // extern "C"
