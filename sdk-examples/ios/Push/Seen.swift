import Foundation

/// Remembers which messages were handled, also over restarts: they come at least once, and the id tells a repeat.
/// Used on the main queue only.
final class Seen {
    private let key = "seen"
    private let keep = 1000 // ids grow: the newest are those that can come again
    private let store: UserDefaults
    private var ids: Set<Int64>

    init(store: UserDefaults = .standard) {
        self.store = store
        ids = Set((store.array(forKey: key) as? [Int64]) ?? [])
    }

    /// False for a repeat.
    func add(_ id: Int64) -> Bool {
        guard ids.insert(id).inserted else { return false }
        if ids.count > keep {
            ids = Set(ids.sorted().suffix(keep))
        }
        store.set(ids.sorted(), forKey: key)
        return true
    }
}
