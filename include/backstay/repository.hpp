#pragma once

#include <backstay/job.hpp>
#include <backstay/snapshot.hpp>
#include <backstay/source.hpp>

#include <memory>
#include <string>

namespace backstay
{

/// Named objects somewhere. Thread-safe.
class Store
{
public:
    /// uri: a path, file:///path, s3://bucket/prefix, s3+http(s)://host/bucket/prefix, memory:NAME.
    /// Options of scope "store".
    Store(Engine& engine, const std::string& uri, const Options* options = nullptr,
          const Cancel* cancel = nullptr)
    {
        backstay_store* store = nullptr;
        detail::Failure failure;
        detail::check(backstay_store_open(engine.get(), uri.c_str(), detail::get(options),
                                          detail::get(cancel), &store, failure.out()),
                      failure);
        store_.reset(store);
    }
    /// Probes it.
    Record describe(const Cancel* cancel = nullptr) const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_store_describe(get(), detail::get(cancel), &record, failure.out()),
                      failure);
        return Record(record);
    }
    /// Requests that it bills, since it was opened; without fields if it bills none.
    Record traffic() const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_store_traffic(get(), &record, failure.out()), failure);
        return Record(record);
    }
    Job scrub(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_scrub_start(get(), detail::get(options), detail::get(cancel), job,
                                        error);
        });
    }
    /// Is it fit to hold a repository? "test" records, one each.
    Job selftest(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_store_selftest_start(get(), detail::get(options), detail::get(cancel),
                                                 job, error);
        });
    }
    backstay_store* get() const { return store_.get(); }

private:
    struct Free {
        void operator()(backstay_store* store) const noexcept { backstay_store_free(store); }
    };
    std::unique_ptr<backstay_store, Free> store_;
};

/// A repository whose keys are open. Thread-safe. Every started job takes options of the scope of
/// its name.
class Repository
{
public:
    /// Options of scope "repository": passphrase, key-file …
    static Repository open(const Store& store, const Options* options = nullptr,
                           const Cancel* cancel = nullptr)
    {
        backstay_repository* repository = nullptr;
        detail::Failure failure;
        detail::check(backstay_repository_open(store.get(), detail::get(options),
                                               detail::get(cancel), &repository, failure.out()),
                      failure);
        return Repository(repository);
    }
    /// Options of scope "init".
    static Repository init(const Store& store, const Options* options = nullptr,
                           const Repository* parameters_from = nullptr,
                           const Cancel* cancel = nullptr)
    {
        backstay_repository* repository = nullptr;
        detail::Failure failure;
        detail::check(backstay_repository_init(
                          store.get(),
                          parameters_from != nullptr ? parameters_from->get() : nullptr,
                          detail::get(options), detail::get(cancel), &repository, failure.out()),
                      failure);
        return Repository(repository);
    }

    Record describe(const Cancel* cancel = nullptr) const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(
            backstay_repository_describe(get(), detail::get(cancel), &record, failure.out()),
            failure);
        return Record(record);
    }
    Record describe_object(const std::string& name, const Cancel* cancel = nullptr) const
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_object_describe(get(), name.c_str(), detail::get(cancel), &record,
                                               failure.out()),
                      failure);
        return Record(record);
    }
    Snapshot snapshot(const std::string& name, const Options* filter = nullptr,
                      const Cancel* cancel = nullptr) const
    {
        backstay_snapshot* snapshot = nullptr;
        detail::Failure failure;
        detail::check(backstay_snapshot_open(get(), name.c_str(), detail::get(filter),
                                             detail::get(cancel), &snapshot, failure.out()),
                      failure);
        return Snapshot(snapshot);
    }

    Job snapshots(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_snapshots_start);
    }
    Job objects(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_objects_start);
    }
    Job find(const Options* options, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_find_start);
    }
    Job stats(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_stats_start);
    }
    Job check(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_check_start);
    }
    Job forget(const Options* options, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_forget_start);
    }
    Job prune(const Options* options = nullptr, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_prune_start);
    }
    /// PostgreSQL's write-ahead log: one file in, one out, all of a replication slot for ever.
    Job wal_push(const Options* options, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_wal_push_start);
    }
    Job wal_fetch(const Options* options, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_wal_fetch_start);
    }
    Job wal_receive(const Options* options, const Cancel* cancel = nullptr) const
    {
        return start(options, cancel, backstay_wal_receive_start);
    }

    /// Ends its I/O; what hangs on it says E_CLOSED from then on.
    void close()
    {
        detail::Failure failure;
        detail::check(backstay_repository_close(get(), failure.out()), failure);
    }
    backstay_repository* get() const { return repository_.get(); }

private:
    explicit Repository(backstay_repository* repository) : repository_(repository) {}
    struct Free {
        void operator()(backstay_repository* repository) const noexcept
        {
            backstay_repository_free(repository);
        }
    };
    template <typename Start>
    Job start(const Options* options, const Cancel* cancel, Start* call) const
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return call(get(), detail::get(options), detail::get(cancel), job, error);
        });
    }
    std::unique_ptr<backstay_repository, Free> repository_;
};

/// One snapshot of all sources added, or none. One thread at a time.
class Backup
{
public:
    /// Options of scope "backup".
    explicit Backup(const Repository& repository, const Options* options = nullptr)
    {
        backstay_backup* backup = nullptr;
        detail::Failure failure;
        detail::check(
            backstay_backup_new(repository.get(), detail::get(options), &backup, failure.out()),
            failure);
        backup_.reset(backup);
    }
    /// `name` is the child of the snapshot's root. Options of scope "backup.source".
    Backup& add(const std::string& name, const Source& source, const Options* options = nullptr)
    {
        detail::Failure failure;
        detail::check(backstay_backup_add_source(backup_.get(), name.c_str(), source.get(),
                                                 detail::get(options), failure.out()),
                      failure);
        return *this;
    }
    Job start(const Cancel* cancel = nullptr)
    {
        return detail::start_job([&](backstay_job** job, backstay_error** error) {
            return backstay_backup_start(backup_.get(), detail::get(cancel), job, error);
        });
    }

private:
    struct Free {
        void operator()(backstay_backup* backup) const noexcept { backstay_backup_free(backup); }
    };
    std::unique_ptr<backstay_backup, Free> backup_;
};

} // namespace backstay
