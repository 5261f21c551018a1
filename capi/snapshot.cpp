#include "guarded.hpp"
#include "handles.hpp"
#include "operation_options.hpp"
#include "visible_struct.hpp"

#include "engine/listing.hpp"
#include "engine/retention.hpp"

#include <algorithm>

using backstay::capi::guarded;
using backstay::capi::guarded_in_callback;
using backstay::capi::need;
using backstay::capi::path_argument;
using backstay::core::Entry;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::OptionSet;
using backstay::core::Record;
using backstay::core::SnapshotAccess;
using backstay::core::SnapshotView;

namespace backstay::capi
{

void fill_entry(backstay_entry* out, const Entry& entry, std::vector<backstay_xattr>& xattrs)
{
    if (!is_writable(out)) {
        throw Error(ErrorCode::invalid, "the entry is NULL or its struct_size is not set");
    }
    backstay_entry filled{};
    filled.kind = static_cast<uint32_t>(entry.kind);
    filled.flags = entry.damaged ? static_cast<uint32_t>(BACKSTAY_ENTRY_DAMAGED) : 0;
    filled.flags |=
        entry.contents_left_out ? static_cast<uint32_t>(BACKSTAY_ENTRY_CONTENTS_LEFT_OUT) : 0;
    const auto has = [&filled](uint32_t bit) { filled.present |= bit; };
    const auto set_text = [](const std::string& text, const char*& data, size_t& length) {
        data = text.c_str();
        length = text.size();
    };
    set_text(entry.path, filled.path, filled.path_length);
    set_text(entry.link_target, filled.link_target, filled.link_target_length);
    set_text(entry.user, filled.user, filled.user_length);
    set_text(entry.group, filled.group, filled.group_length);
    filled.change_token = entry.change_token.data();
    filled.change_token_length = entry.change_token.size();
    filled.size = entry.size;
    has(BACKSTAY_HAS_SIZE);
    if (entry.mode) {
        filled.mode = *entry.mode;
        has(BACKSTAY_HAS_MODE);
    }
    if (entry.user_id) {
        filled.user_id = *entry.user_id;
        has(BACKSTAY_HAS_USER);
    }
    if (entry.group_id) {
        filled.group_id = *entry.group_id;
        has(BACKSTAY_HAS_GROUP);
    }
    const auto set_time = [&has](const std::optional<core::Timestamp>& time, uint32_t bit,
                                 int64_t& seconds, uint32_t& nanoseconds) {
        if (time) {
            seconds = time->seconds;
            nanoseconds = time->nanoseconds;
            has(bit);
        }
    };
    set_time(entry.modified, BACKSTAY_HAS_MODIFIED, filled.modified_s, filled.modified_ns);
    set_time(entry.changed, BACKSTAY_HAS_CHANGED, filled.changed_s, filled.changed_ns);
    set_time(entry.created, BACKSTAY_HAS_CREATED, filled.created_s, filled.created_ns);
    if (entry.link) {
        filled.link[0] = entry.link->device;
        filled.link[1] = entry.link->inode;
        has(BACKSTAY_HAS_LINK);
    }
    if (entry.kind == core::EntryKind::block_device ||
        entry.kind == core::EntryKind::character_device) {
        filled.device = entry.device;
        has(BACKSTAY_HAS_DEVICE);
    }
    if (entry.file_flags) {
        filled.file_flags = *entry.file_flags;
        has(BACKSTAY_HAS_FILE_FLAGS);
    }
    xattrs.clear();
    for (const core::Xattr& xattr : entry.xattrs) {
        xattrs.push_back(
            {xattr.name.c_str(), xattr.name.size(), xattr.value.data(), xattr.value.size()});
    }
    filled.xattrs = xattrs.data();
    filled.xattr_count = xattrs.size();
    write_struct(out, filled);
}

} // namespace backstay::capi

namespace
{

void set_record(backstay_snapshot& handle, const std::string& notice)
{
    Record record = backstay::core::snapshot_record(handle.snapshot);
    if (!notice.empty()) {
        record.set("notice", notice);
    }
    handle.record.reset(backstay::capi::new_record(std::move(record)));
}

/// E_CLOSED, E_FORKED for what hangs on a repository; nothing for a view lent to a callback.
void check_open(const backstay::capi::RepositoryRef& repository)
{
    if (repository) {
        repository->open();
    }
}

Entry find_entry(SnapshotView& view, const std::string& path)
{
    std::optional<Entry> entry = view.lookup(path);
    if (!entry) {
        throw Error(ErrorCode::not_found, "there is no such path in the snapshot", path);
    }
    return std::move(*entry);
}

/// A lent view may be used in the callback it was lent to; one's own not (R6).
template <typename Body>
backstay_status guarded_by_view(const backstay::capi::RepositoryRef* repository,
                                backstay_error** error, Body&& body)
{
    const bool lent = repository != nullptr && !*repository;
    return lent ? guarded_in_callback(error, body) : guarded(error, body);
}

} // namespace

extern "C" {

backstay_status backstay_snapshot_open(backstay_repository* repository, const char* name,
                                       const backstay_options* filter, backstay_cancel* cancel,
                                       backstay_snapshot** snapshot, backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::RepositoryRef& state = need(repository, "repository").state;
        std::optional<OptionSet> storage;
        const auto wanted = backstay::capi::filter_of(
            backstay::capi::options_or_default(filter, "filter", storage));
        const auto list =
            backstay::core::list_snapshots_seen(state->open(), backstay::capi::stop_of(cancel));
        auto handle = std::make_unique<backstay_snapshot>();
        handle->repository = state;
        handle->snapshot = backstay::core::find_snapshot(list, &need(name, "name"), wanted);
        set_record(*handle, backstay::core::notice_about(name, handle->snapshot,
                                                         state->open().clock().now()));
        need(snapshot, "snapshot") = handle.release();
        return BACKSTAY_OK;
    });
}

const backstay_record* backstay_snapshot_record(const backstay_snapshot* snapshot)
{
    return snapshot != nullptr ? snapshot->record.get() : nullptr;
}

backstay_status backstay_snapshot_edit(backstay_snapshot* snapshot, const backstay_options* changes,
                                       backstay_cancel* cancel, backstay_error** error)
{
    return guarded(error, [&] {
        auto& repository = need(snapshot, "snapshot").repository->open();
        std::optional<OptionSet> storage;
        const OptionSet& set =
            backstay::capi::options_or_default(changes, "snapshot.edit", storage);
        const std::stop_token stop = backstay::capi::stop_of(cancel);
        backstay::core::write_note(repository, snapshot->snapshot,
                                   backstay::capi::change_of(set, snapshot->snapshot), stop);
        const auto list = backstay::core::list_snapshots(repository, stop);
        snapshot->snapshot =
            backstay::core::find_snapshot(list, snapshot->snapshot.record.id.hex(),
                                          backstay::core::SnapshotFilter{{}, {}, {}, ""});
        set_record(*snapshot, "");
        return BACKSTAY_OK;
    });
}

void backstay_snapshot_free(backstay_snapshot* snapshot)
{
    backstay::capi::free_handle(snapshot, &backstay_snapshot::repository);
}

backstay_status backstay_view_open(backstay_snapshot* snapshot, const char* path, size_t length,
                                   backstay_cancel* cancel, backstay_view** view,
                                   backstay_error** error)
{
    return guarded(error, [&] {
        const backstay::capi::RepositoryRef& repository = need(snapshot, "snapshot").repository;
        need(view, "view");
        auto handle = std::make_unique<backstay_view>();
        handle->repository = repository;
        handle->stop = backstay::capi::stop_of(cancel);
        handle->access = std::make_shared<SnapshotAccess>(
            repository->open(), snapshot->snapshot, repository->engine->limits(),
            SnapshotAccess::Announce::yes, handle->stop);
        handle->view = handle->access->at(path_argument(path, length));
        if (const std::string record = handle->view->source_record(); !record.empty()) {
            handle->record.reset(backstay::capi::new_record(Record::from_json(record)));
        }
        *view = handle.release();
        return BACKSTAY_OK;
    });
}

const backstay_record* backstay_view_record(const backstay_view* view)
{
    return view != nullptr ? view->record.get() : nullptr;
}

void backstay_view_free(backstay_view* view)
{
    backstay::capi::free_handle(view, &backstay_view::repository);
}

backstay_status backstay_tree_open(backstay_view* view, const char* path, size_t length,
                                   int32_t recursive, backstay_tree** tree, backstay_error** error)
{
    return guarded_by_view(view != nullptr ? &view->repository : nullptr, error, [&] {
        check_open(need(view, "view").repository);
        need(tree, "tree");
        const std::string where = path_argument(path, length);
        const auto depth =
            recursive != 0 ? SnapshotView::Depth::all_levels : SnapshotView::Depth::one_level;
        auto handle = std::make_unique<backstay_tree>();
        handle->repository = view->repository;
        handle->access = view->access;
        handle->view = view->view;
        handle->self = find_entry(*view->view, where);
        handle->cursor = view->view->walk(where, depth);
        *tree = handle.release();
        return BACKSTAY_OK;
    });
}

backstay_status backstay_tree_self(backstay_tree* tree, backstay_entry* out, backstay_error** error)
{
    return guarded_by_view(tree != nullptr ? &tree->repository : nullptr, error, [&] {
        check_open(need(tree, "tree").repository);
        backstay::capi::fill_entry(out, tree->self, tree->xattrs);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_tree_next(backstay_tree* tree, backstay_entry* out, backstay_error** error)
{
    return guarded_by_view(tree != nullptr ? &tree->repository : nullptr, error,
                           [&]() -> backstay_status {
                               check_open(need(tree, "tree").repository);
                               std::optional<Entry> next = tree->cursor->next();
                               if (!next) {
                                   return BACKSTAY_DONE;
                               }
                               tree->current = std::move(*next);
                               backstay::capi::fill_entry(out, tree->current, tree->xattrs);
                               return BACKSTAY_OK;
                           });
}

void backstay_tree_free(backstay_tree* tree)
{
    backstay::capi::free_handle(tree, &backstay_tree::repository);
}

backstay_status backstay_stream_open(backstay_view* view, const char* path, size_t length,
                                     backstay_stream** stream, backstay_error** error)
{
    return guarded_by_view(view != nullptr ? &view->repository : nullptr, error, [&] {
        check_open(need(view, "view").repository);
        need(stream, "stream");
        const Entry entry = find_entry(*view->view, path_argument(path, length));
        auto handle = std::make_unique<backstay_stream>();
        handle->repository = view->repository;
        handle->access = view->access;
        handle->view = view->view;
        handle->stop = view->stop;
        handle->stream = view->view->open_stream(entry);
        *stream = handle.release();
        return BACKSTAY_OK;
    });
}

uint64_t backstay_stream_size(const backstay_stream* stream)
{
    return stream != nullptr ? stream->stream->size() : 0;
}

backstay_status backstay_stream_read_at(backstay_stream* stream, uint64_t offset, uint8_t* buffer,
                                        size_t size, size_t* got, backstay_error** error)
{
    return guarded_by_view(stream != nullptr ? &stream->repository : nullptr, error, [&] {
        check_open(need(stream, "stream").repository);
        if (size > 0) {
            need(buffer, "buffer");
        }
        need(got, "got") = stream->stream->read_at(offset, {buffer, size}, stream->stop);
        return BACKSTAY_OK;
    });
}

backstay_status backstay_stream_next_data(backstay_stream* stream, uint64_t offset, uint64_t* begin,
                                          uint64_t* end, backstay_error** error)
{
    return guarded_by_view(stream != nullptr ? &stream->repository : nullptr, error,
                           [&]() -> backstay_status {
                               check_open(need(stream, "stream").repository);
                               need(begin, "begin");
                               need(end, "end");
                               const auto extent = stream->stream->next_data(offset);
                               if (!extent) {
                                   return BACKSTAY_DONE;
                               }
                               *begin = extent->begin;
                               *end = extent->end;
                               return BACKSTAY_OK;
                           });
}

void backstay_stream_free(backstay_stream* stream)
{
    backstay::capi::free_handle(stream, &backstay_stream::repository);
}

} // extern "C"
