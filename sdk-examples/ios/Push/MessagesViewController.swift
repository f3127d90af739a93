import UIKit

/// Lists what has arrived, the newest first.
final class MessagesViewController: UITableViewController, PushListener {
    private var lines: [String] = []

    override func viewDidLoad() {
        super.viewDidLoad()
        title = "connecting …"
        tableView.register(UITableViewCell.self, forCellReuseIdentifier: "line")
    }

    override func tableView(_ tableView: UITableView, numberOfRowsInSection section: Int) -> Int { lines.count }

    override func tableView(_ tableView: UITableView, cellForRowAt indexPath: IndexPath) -> UITableViewCell {
        let cell = tableView.dequeueReusableCell(withIdentifier: "line", for: indexPath)
        cell.textLabel?.numberOfLines = 0
        cell.textLabel?.text = lines[indexPath.row]
        return cell
    }

    private func add(_ line: String) {
        lines.insert(line, at: 0)
        lines = Array(lines.prefix(500))
        if isViewLoaded { tableView.reloadData() }
    }

    func pushReady(clientId: String) { title = clientId }

    func pushMessage(id: Int64, room: String, pushData: Any, late: Bool) {
        add("#\(id) \(room)\(late ? " (inbox)" : ""): \(pushData)")
    }

    // An app would now ask its business server for the history.
    func pushLost(count: Int) { add("lost \(count) of a full inbox") }

    func pushMembership(room: String, joined: Bool) { add(joined ? "put into \(room)" : "taken out of \(room)") }

    func pushPeople(userid: String, room: String, here: Bool) { add(here ? "\(userid) came to \(room)" : "\(userid) left \(room)") }

    func pushDown(reason: String, final: Bool) { title = final ? "refused: \(reason)" : reason }
}
