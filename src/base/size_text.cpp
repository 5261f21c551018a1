#include "base/size_text.hpp"
