import UIKit
import UserNotifications

@main
final class AppDelegate: UIResponder, UIApplicationDelegate, UNUserNotificationCenterDelegate {
    var window: UIWindow?
    private let screen = MessagesViewController()
    private lazy var push = PushClient(
        url: URL(string: "http://127.0.0.1:21314")!, namespace: "/demo", identity: .current(userid: "ines"),
        rooms: ["news"], seen: Seen(), listener: screen
    )

    func application(
        _ application: UIApplication, didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]?
    ) -> Bool {
        window = UIWindow(frame: UIScreen.main.bounds)
        window?.rootViewController = UINavigationController(rootViewController: screen)
        window?.makeKeyAndVisible()
        let center = UNUserNotificationCenter.current()
        center.delegate = self
        center.requestAuthorization(options: [.alert, .sound, .badge]) { granted, _ in
            guard granted else { return }
            DispatchQueue.main.async { application.registerForRemoteNotifications() }
        }
        return true
    }

    // In the foreground the connection has the messages, in the background APNs does: a suspended app keeps no socket.
    func applicationDidBecomeActive(_ application: UIApplication) { push.start() }
    func applicationDidEnterBackground(_ application: UIApplication) { push.stop() }

    func application(_ application: UIApplication, didRegisterForRemoteNotificationsWithDeviceToken token: Data) {
        push.register(deviceToken: token)
    }

    func application(_ application: UIApplication, didFailToRegisterForRemoteNotificationsWithError error: Error) {
        screen.pushDown(reason: "no APNs: \(error.localizedDescription)", final: false)
    }

    // A notification for a message that the connection has shown already stays silent.
    func userNotificationCenter(
        _ center: UNUserNotificationCenter, willPresent notification: UNNotification,
        withCompletionHandler show: @escaping (UNNotificationPresentationOptions) -> Void
    ) {
        show([])
    }
}
