#pragma once

#include <backstay/options.hpp>

#include <functional>
#include <memory>

namespace backstay
{

/// A sticky token: what was given it ends soon after trigger(). Thread-safe; trigger() may be
/// called in a signal handler.
class Cancel
{
public:
    Cancel()
    {
        backstay_cancel* cancel = nullptr;
        detail::Failure failure;
        detail::check(backstay_cancel_new(&cancel, failure.out()), failure);
        cancel_.reset(cancel);
    }
    void trigger() { backstay_cancel_trigger(cancel_.get()); }
    backstay_cancel* get() const { return cancel_.get(); }

private:
    struct Free {
        void operator()(backstay_cancel* cancel) const noexcept { backstay_cancel_free(cancel); }
    };
    std::unique_ptr<backstay_cancel, Free> cancel_;
};

namespace detail
{

inline backstay_cancel* get(const Cancel* cancel)
{
    return cancel != nullptr ? cancel->get() : nullptr;
}

} // namespace detail

/// Threads, memory and limits that operations share. Thread-safe.
class Engine
{
public:
    using Log = std::function<void(const Record&)>;

    explicit Engine(const Options* options = nullptr, Log log = {})
    {
        auto* held = log ? new Log(std::move(log)) : nullptr;
        backstay_engine* engine = nullptr;
        detail::Failure failure;
        detail::check(
            backstay_engine_new(detail::get(options), held != nullptr ? call_log : nullptr, held,
                                held != nullptr ? free_log : nullptr, &engine, failure.out()),
            failure);
        engine_.reset(engine);
    }
    backstay_engine* get() const { return engine_.get(); }

    /// Size of the cache; removes it on request.
    Record cache(bool clean)
    {
        Options options("cache");
        options.set_flag("clean", clean);
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_cache_clean(get(), options.get(), nullptr, &record, failure.out()),
                      failure);
        return Record(record);
    }

private:
    struct Free {
        void operator()(backstay_engine* engine) const noexcept { backstay_engine_free(engine); }
    };
    static void call_log(void* user, const backstay_record* line)
    {
        try {
            (*static_cast<Log*>(user))(Record(line));
        } catch (...) { // a log may not end what it tells about
        }
    }
    static void free_log(void* user) { delete static_cast<Log*>(user); }

    std::unique_ptr<backstay_engine, Free> engine_;
};

/// What this build of the library has.
inline Record describe_library()
{
    backstay_record* record = nullptr;
    detail::Failure failure;
    detail::check(backstay_library_describe(&record, failure.out()), failure);
    return Record(record);
}

} // namespace backstay
