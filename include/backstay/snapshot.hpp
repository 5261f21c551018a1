#pragma once

#include <backstay/job.hpp>
#include <backstay/source.hpp>
#include <backstay/target.hpp>

#include <memory>
#include <string>

namespace backstay
{

/// A file's bytes. Thread-safe.
class Stream
{
public:
    explicit Stream(backstay_stream* stream) : stream_(stream) {}
    std::uint64_t size() const { return backstay_stream_size(stream_.get()); }
    /// Short only at the end.
    std::size_t read_at(std::uint64_t offset, std::uint8_t* buffer, std::size_t size) const
    {
        std::size_t got = 0;
        detail::Failure failure;
        detail::check(
            backstay_stream_read_at(stream_.get(), offset, buffer, size, &got, failure.out()),
            failure);
        return got;
    }
    /// The next stretch of data at or after `offset`; false if only a hole is left.
    bool next_data(std::uint64_t offset, std::uint64_t& begin, std::uint64_t& end) const
    {
        detail::Failure failure;
        return detail::check(
                   backstay_stream_next_data(stream_.get(), offset, &begin, &end, failure.out()),
                   failure) == BACKSTAY_OK;
    }

private:
    struct Free {
        void operator()(backstay_stream* stream) const noexcept { backstay_stream_free(stream); }
    };
    std::unique_ptr<backstay_stream, Free> stream_;
};

/// A walk over a folder. One thread at a time; what it gives holds until its next call.
class Tree
{
public:
    explicit Tree(backstay_tree* tree) : tree_(tree) {}
    /// The folder itself.
    backstay_entry self()
    {
        backstay_entry entry{};
        entry.struct_size = sizeof entry;
        detail::Failure failure;
        detail::check(backstay_tree_self(tree_.get(), &entry, failure.out()), failure);
        return entry;
    }
    /// False at the end.
    bool next(backstay_entry& entry)
    {
        entry = {};
        entry.struct_size = sizeof entry;
        detail::Failure failure;
        return detail::check(backstay_tree_next(tree_.get(), &entry, failure.out()), failure) ==
               BACKSTAY_OK;
    }

private:
    struct Free {
        void operator()(backstay_tree* tree) const noexcept { backstay_tree_free(tree); }
    };
    std::unique_ptr<backstay_tree, Free> tree_;
};

/// What lies at or below a path of a snapshot. Thread-safe.
class View
{
public:
    explicit View(backstay_view* view) : view_(view) {}
    /// The source's own record; empty if there is none. Borrowed.
    Record record() const { return Record(backstay_view_record(view_.get())); }
    Tree tree(const std::string& path = "", bool recursive = true) const
    {
        backstay_tree* tree = nullptr;
        detail::Failure failure;
        detail::check(backstay_tree_open(view_.get(), path.data(), path.size(), recursive ? 1 : 0,
                                         &tree, failure.out()),
                      failure);
        return Tree(tree);
    }
    Stream stream(const std::string& path = "") const
    {
        backstay_stream* stream = nullptr;
        detail::Failure failure;
        detail::check(
            backstay_stream_open(view_.get(), path.data(), path.size(), &stream, failure.out()),
            failure);
        return Stream(stream);
    }

private:
    struct Free {
        void operator()(backstay_view* view) const noexcept { backstay_view_free(view); }
    };
    std::unique_ptr<backstay_view, Free> view_;
};

/// One backup. One thread at a time.
class Snapshot
{
public:
    explicit Snapshot(backstay_snapshot* snapshot) : snapshot_(snapshot) {}
    Record record() const { return Record(backstay_snapshot_record(get())); }
    std::string id() const { return record().text("id"); }
    /// Options of scope "snapshot.edit".
    void edit(const Options& changes, const Cancel* cancel = nullptr)
    {
        detail::Failure failure;
        detail::check(
            backstay_snapshot_edit(get(), changes.get(), detail::get(cancel), failure.out()),
            failure);
    }
    View view(const std::string& path = "", const Cancel* cancel = nullptr) const
    {
        backstay_view* view = nullptr;
        detail::Failure failure;
        detail::check(backstay_view_open(get(), path.data(), path.size(), detail::get(cancel),
                                         &view, failure.out()),
                      failure);
        return View(view);
    }

    Job restore(const std::string& path, const Target& target, const Options* options = nullptr,
                const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_restore_start(get(), path.data(), path.size(), target.get(),
                                          detail::get(options), detail::get(cancel), job, error);
        });
    }
    Job entries(const std::string& path = "", const Options* options = nullptr,
                const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_entries_start(get(), path.data(), path.size(), detail::get(options),
                                          detail::get(cancel), job, error);
        });
    }
    Job diff(const std::string& path, const Snapshot& after, const std::string& after_path,
             const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_diff_start(get(), path.data(), path.size(), after.get(),
                                       after_path.data(), after_path.size(), detail::get(options),
                                       detail::get(cancel), job, error);
        });
    }
    /// `source` null: as the snapshot recorded it.
    Job verify(const std::string& source_name, const Source* source = nullptr,
               const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_verify_start(get(), source_name.c_str(),
                                         source != nullptr ? source->get() : nullptr,
                                         detail::get(options), detail::get(cancel), job, error);
        });
    }
    backstay_snapshot* get() const { return snapshot_.get(); }

private:
    struct Free {
        void operator()(backstay_snapshot* snapshot) const noexcept
        {
            backstay_snapshot_free(snapshot);
        }
    };
    std::unique_ptr<backstay_snapshot, Free> snapshot_;
};

} // namespace backstay
