#pragma once

#include <backstay/engine.hpp>

#include <memory>
#include <string>

namespace backstay
{

/// Where a restore goes. Serves one job.
class Target
{
public:
    static Target directory(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_target_open_directory);
    }
    static Target directory(Engine& engine, const std::string& path)
    {
        Options options("target.directory");
        options.add("path", path);
        return directory(engine, options);
    }
    static Target stream(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_target_open_stream);
    }
    static Target archive(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_target_open_archive);
    }
    static Target postgres(Engine& engine, const Options& options)
    {
        return open(engine, options, backstay_target_open_postgres);
    }
    backstay_target* get() const { return target_.get(); }

private:
    explicit Target(backstay_target* target) : target_(target) {}
    struct Free {
        void operator()(backstay_target* target) const noexcept { backstay_target_free(target); }
    };
    template <typename Open>
    static Target open(Engine& engine, const Options& options, Open* call)
    {
        backstay_target* target = nullptr;
        detail::Failure failure;
        detail::check(call(engine.get(), options.get(), &target, failure.out()), failure);
        return Target(target);
    }
    std::unique_ptr<backstay_target, Free> target_;
};

} // namespace backstay
